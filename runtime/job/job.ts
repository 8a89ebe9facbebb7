/** A process's part in its job, whichever launcher started it. */

/** A process that the launcher has lost: the rank, or null where it is the launcher itself; and why, in its words. */
export interface Loss {
  readonly rank: number | null;
  readonly reason: string;
}

/** What a launcher says of lost processes while the job runs. */
export interface LossReports {
  /** Readable while there are some. */
  readonly fd: number;
  /** Those since the last call. */
  take(): Loss[];
}

/** How a rank learns who it is; synchronous, since MPI.init() is. */
export interface Job {
  readonly rank: number;
  readonly size: number;
  readonly launcher: 'dregrun' | 'pmi1' | 'pmix' | 'singleton';
  /** Names the job on this machine; no two jobs share it. */
  readonly jobId: string;
  /** Left out where the launcher tells of none: it ends the job itself. */
  readonly losses?: LossReports;
  /** Publishes a value: every rank can `get` it after the next `fence`. A key is put once in a job. */
  put(key: string, value: string): void;
  /** What the rank `of` has put under a key. */
  get(key: string, of: number): string | undefined;
  /** Blocks until every rank is in it. */
  fence(): void;
  /** The last call. After it the launcher takes the rank's exit for a normal one. */
  finalize(): void;
  /** Ends the whole job with this status. */
  abort(code: number, message: string): never;
}
