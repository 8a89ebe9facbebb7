/** Buffered sends (MPI 4.1, 3.4 and 3.6): the message is copied, and leaves when it can. */
import { inWords, NO_BYTES } from '../../base/bytes.ts';
import { PROC_NULL } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import { PENDING } from '../../messaging/operation.ts';
import { copyOf, type Data, sizeOf } from '../datatype/data.ts';
import { AllRequest } from './all-request.ts';
import type { Endpoint } from './endpoint.ts';
import type { Request } from './request.ts';
import { checkSend, sendAtOnce, startSend } from './send.ts';
import type { StartedRequest } from './started-request.ts';

/** Bytes of messages that a rank has copied for `bsend` and not sent yet; DREG_BSEND_BYTES changes it. */
export const BSEND_BYTES_MAX = 256 * 1024 * 1024;

/** What the rank's buffered messages take. */
let taken = 0;
let most: number | null = null;

/**
 * @environment DREG_BSEND_BYTES | bytes, with K, M or G | how much `bsend` may copy that has not left yet, in
 *   place of `BSEND_BYTES_MAX`; beyond it is `ERR_NO_MEM`
 * @throws MpiError ERR_ARG where the environment has no number
 */
function limit(): number {
  if (most !== null) return most;
  const text = process.env.DREG_BSEND_BYTES || String(BSEND_BYTES_MAX);
  const [, digits, unit] = /^(\d{1,12})([KMG]?)$/i.exec(text) ?? [];
  if (digits === undefined)
    throw new MpiError(
      'ERR_ARG',
      `DREG_BSEND_BYTES is ${inWords(text)}; it must be a number of bytes, such as 4096, 64K, 16M or 1G`,
    );
  most = Number(digits) * 1024 ** ['', 'K', 'M', 'G'].indexOf(unit.toUpperCase());
  return most;
}

export function bsend(
  endpoint: Endpoint,
  buffer: Data | null,
  destination: number,
  tag: number,
): void {
  if (sendAtOnce(endpoint, buffer, destination, tag) > 0) return;
  const payload = checkSend(endpoint, buffer, destination, tag);
  if (destination === PROC_NULL) return;
  const length = sizeOf(payload);
  makeRoom(endpoint, length);
  const request = startSend(endpoint, copyOf(payload), destination, tag, endpoint.context);
  if (request.state !== PENDING) {
    if (request.error !== null) throw request.error;
    return;
  }
  taken += length;
  endpoint.buffered.add(request);
  request.whenEnded(() => {
    taken -= length;
    // One that failed is for the next flush to tell.
    if (request.error === null) endpoint.buffered.delete(request);
    request.bytes = NO_BYTES;
  });
}

/** @throws MpiError ERR_NO_MEM where there is none */
function makeRoom({ engine, rank }: Endpoint, length: number): void {
  const bytes = limit();
  if (taken + length > bytes) engine.progress();
  if (taken + length <= bytes) return;
  throw new MpiError(
    'ERR_NO_MEM',
    `bsend has no room for a message of ${length} bytes: ${taken} bytes wait to be sent already, and ${bytes} may (DREG_BSEND_BYTES); call flushBuffer() now and then, let the receivers keep up, or raise the limit`,
    { rank },
  );
}

/** Ends when everything has left that was buffered until now. */
export function flushBuffer(endpoint: Endpoint): StartedRequest<void> {
  endpoint.checkAlive();
  const requests: Request[] = [...endpoint.buffered];
  for (const request of requests) if (request.done) endpoint.buffered.delete(request);
  return new AllRequest(endpoint, requests);
}
