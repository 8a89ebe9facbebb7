/** What a worker and its rank say to each other through a MessagePort. */
import { type ErrorCode, MpiError } from '../../base/error.ts';

/** A `MessagePort`, where the program's types know one: the package's own types need those of no platform. */
export type WorkerPort = typeof globalThis extends { MessagePort: { prototype: infer P } }
  ? P
  : object;

/** A call of a worker. */
export interface Call {
  readonly id: number;
  readonly operation: 'send' | 'recv' | 'sendObject' | 'recvObject';
  readonly data: unknown;
  /** The other rank. */
  readonly peer: number;
  readonly tag: number;
  readonly synchronous: boolean;
}

/** How a call ended. */
export interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: Failure;
}

/** The first message of the rank, and its last one. */
export interface Greeting {
  readonly rank: number;
  readonly size: number;
}
export interface Farewell {
  readonly over: Failure;
}

/** What a receive brought. */
export interface Envelope {
  readonly source: number;
  readonly tag: number;
  readonly byteLength: number;
}

/** An {@link MpiError} on its way: structuredClone keeps no properties of an error. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly peer: number | undefined;
  readonly tag: number | undefined;
}

export function failureOf(error: unknown): Failure {
  const { code, message, peer, tag } =
    error instanceof MpiError ? error : new MpiError('ERR_INTERNAL', String(error));
  return { code, message, peer, tag };
}

export function errorOf({ code, message, peer, tag }: Failure): MpiError {
  return new MpiError(code, message, {
    ...(peer === undefined ? {} : { peer }),
    ...(tag === undefined ? {} : { tag }),
  });
}
