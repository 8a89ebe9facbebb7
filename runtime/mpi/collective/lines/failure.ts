/** What ranks that share control lines tell each other when their operations cannot go on. */
import type { SharedBlock } from '../../../../transports/shared-block.ts';
import { ERROR_CODES, type ErrorCode, MpiError, withoutAddress } from '../../../base/error.ts';
import { AREA_BYTES, TEXT_BYTES } from './layout.ts';

/** What a rank says. */
interface Told {
  readonly code: ErrorCode;
  readonly message: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The text behind a member's data. */
function textOf({ memory, areasOffset }: SharedBlock, member: number) {
  const at = areasOffset + (member + 1) * AREA_BYTES - TEXT_BYTES;
  return {
    length: new Int32Array(memory, at, 1),
    bytes: new Uint8Array(memory, at + 4, TEXT_BYTES - 4),
  };
}

/** Says why this rank goes on with nothing. Its area has memory. */
export function tell(block: SharedBlock, member: number, error: MpiError): void {
  const { code } = error;
  const message = withoutAddress(error.message);
  const { length, bytes } = textOf(block, member);
  let text = JSON.stringify({ code, message } satisfies Told);
  while (encoder.encode(text).length > bytes.length)
    text = JSON.stringify({
      code,
      message: message.slice(0, (text.length - 64) >> 1),
    } satisfies Told);
  length[0] = encoder.encodeInto(text, bytes).written;
}

/**
 * The error of those who waited for a member that has given up.
 * @param block null: the member could not say why
 * @param rank this rank in the world
 * @param peer the member in the world
 */
export function errorOf(
  block: SharedBlock | null,
  member: number,
  rank: number,
  peer: number,
): MpiError {
  const { code, message } = parse(block === null ? '' : read(block, member));
  return new MpiError(
    code === 'ERR_MISMATCH' ? code : 'ERR_PEER_FAILED',
    `rank ${peer} has given up a collective operation that rank ${rank} takes part in: ${message}`,
    { rank, peer },
  );
}

function read(block: SharedBlock, member: number): string {
  const { length, bytes } = textOf(block, member);
  // A copy: TextDecoder refuses memory that is shared.
  return decoder.decode(bytes.slice(0, Math.min(length[0] >>> 0, bytes.length)));
}

function parse(text: string): Told {
  try {
    const { code, message } = JSON.parse(text) as Partial<Told>;
    if (typeof message === 'string' && code !== undefined && code in ERROR_CODES)
      return { code, message };
  } catch {
    // Text that is no JSON gives the same as none.
  }
  return { code: 'ERR_PEER_FAILED', message: 'it does not say why' };
}
