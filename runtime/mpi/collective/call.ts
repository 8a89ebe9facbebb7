/** A collective call that has begun. */
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { type Signature, tagOf } from './signature.ts';

export class Call {
  readonly endpoint: Endpoint;
  readonly signature: Signature;
  /** Counted from 1 within the communicator; of a persistent one negative. */
  readonly number: number;
  /** Of all its messages. */
  readonly tag: number;

  constructor(endpoint: Endpoint, signature: Signature, number: number, algorithm: number) {
    this.endpoint = endpoint;
    this.signature = signature;
    this.number = number;
    this.tag = tagOf(signature, number, algorithm);
  }
}
