/** What communicators need of this process's part in the job. */
import type { Engine } from '../messaging/engine.ts';

export interface Session {
  /** MPI may not be used any more. */
  readonly ended: boolean;
  /** @throws MpiError where MPI may not be used any more */
  checkAlive(): void;
  /** Ends the whole job. */
  abort(code: number, message: string): never;
  /** Ranks of the world that share memory with this one, itself among them, ascending. */
  readonly near: readonly number[];
}

let current: { engine: Engine; session: Session } | null = null;

/** The process has joined its job. */
export function beginSession(engine: Engine, session: Session): void {
  current = { engine, session };
}

/** What is made from a group alone belongs to the job that the process is in; null: it is in none. */
export function currentSession(): { engine: Engine; session: Session } | null {
  return current;
}
