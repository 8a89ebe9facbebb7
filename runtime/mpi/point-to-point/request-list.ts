/** Requests of which a program waits for all (MPI 4.1, 3.7.5). */
import type { MpiError } from '../../base/error.ts';
import { COMPLETE, FAILED, PENDING } from '../../messaging/operation.ts';
import { callSiteOf } from './awaited.ts';
import { within } from './timeout.ts';
import {
  checkRequest,
  checkRequests,
  isRequest,
  type Requests,
  type Waitable,
} from './waitable.ts';

/** @throws MpiError ERR_REQUEST */
function check(requests: Requests, first = 0): void {
  checkRequests(requests);
  for (let i = first; i < requests.length; i++) checkRequest(requests[i]);
}

/** The program hears of the ends of all. @throws MpiError of the first in order that failed */
function tellAll(requests: Requests): void {
  let first: MpiError | null = null;
  for (let i = 0; i < requests.length; i++) {
    const request = requests[i];
    if (request === null || request.state === PENDING) continue;
    if (request.state === FAILED) first ??= request.error;
    request.tell();
  }
  if (first !== null) throw first;
}

export function waitAll(requests: Requests): void {
  checkRequests(requests);
  const first = tellComplete(requests);
  if (first < requests.length) waitFrom(requests, first);
}

/**
 * Tells of the requests that had ended when they started, up to the first other one: a window of small sends
 * is looked at once.
 * @returns the place of that one
 */
function tellComplete(requests: Requests): number {
  let i = 0;
  while (i < requests.length && isToldAtOnce(requests[i])) i++;
  return i;
}

function isToldAtOnce(request: Waitable | null): boolean {
  return isRequest(request) && request.tellAtOnce();
}

function waitFrom(requests: Requests, start: number): void {
  try {
    check(requests, start);
  } catch (error) {
    for (let i = 0; i < start; i++) requests[i]?.untell();
    throw error;
  }
  let failed: MpiError | null = null;
  for (let i = start; i < requests.length; i++) {
    const request = requests[i];
    if (request === null) continue;
    if (request.state !== COMPLETE) {
      const error = waitFor(request);
      failed ??= error;
    }
    if (request.state !== PENDING) request.tell();
  }
  if (failed !== null) throw failed;
}

/** What it failed with, or the wait for it. */
function waitFor(request: Waitable): MpiError | null {
  try {
    if (request.state === PENDING) request.waitForEnd();
    return request.error;
  } catch (error) {
    return error as MpiError;
  }
}

function firstPending(requests: Requests): Waitable | null {
  for (let i = 0; i < requests.length; i++) if (requests[i]?.state === PENDING) return requests[i];
  return null;
}

export function testAll(requests: Requests): boolean {
  check(requests);
  firstPending(requests)?.owner.engine.progress();
  if (firstPending(requests) !== null) return false;
  tellAll(requests);
  return true;
}

/** One promise for all. */
export async function whenAll(requests: Requests): Promise<void> {
  check(requests);
  const pending: Waitable[] = [];
  for (const request of requests) {
    if (request === null) continue;
    if (request.state === PENDING) poll(request);
    if (request.state === PENDING) pending.push(request);
  }
  if (pending.length > 0) await within(pending[0].owner, pending[0], ends(pending));
  tellAll(requests);
}

function poll(request: Waitable): void {
  request.owner.engine.loop.poll({
    get done() {
      return request.state !== PENDING;
    },
    length: request.length,
  });
}

function ends(pending: readonly Waitable[]): Promise<void> {
  const site = callSiteOf(pending[0].owner.engine);
  return new Promise((resolve, reject) => {
    const releases = pending.map((request) => request.hold(site, reject));
    let left = pending.length;
    const end = () => {
      if (--left > 0) return;
      for (const release of releases) release();
      resolve();
    };
    for (const request of pending) request.whenEnded(end);
  });
}
