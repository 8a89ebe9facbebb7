import { randomHex } from '../../native/random.ts';
import type { Job } from './job.ts';
import { abortStatus, sayAbort } from './last-words.ts';

/** A process that no launcher started: the only rank of its job. */
export class SingletonJob implements Job {
  readonly rank = 0;
  readonly size = 1;
  readonly launcher = 'singleton';
  readonly jobId = `singleton_${process.pid}_${randomHex(6)}`;
  readonly #values = new Map<string, string>();

  put(key: string, value: string): void {
    this.#values.set(key, value);
  }

  get(key: string): string | undefined {
    return this.#values.get(key);
  }

  fence(): void {}

  finalize(): void {}

  abort(code: number, message: string): never {
    sayAbort(0, code, message);
    process.exit(abortStatus(code));
  }
}
