/** What `npm run bench:verbs` measures, as the guest and the machine speak of it. */

/** What a rank is asked to do, over and over. */
export interface Task {
  /**
   * 'latency': a ping-pong, a few round trips timed at once; 'window': windows of messages from rank 0;
   * 'single': one message after the other, each answered by an empty one.
   */
  what: 'latency' | 'window' | 'single';
  bytes: number;
  /** Round trips, windows or messages. */
  count: number;
  /** Count looks at user_delta, which makes the figures of time useless. */
  audit?: boolean;
  /** Do not read the clock: that may be a system call. */
  untimed?: boolean;
}

export interface Answer {
  /** Median half round trip, or the time for each message. */
  ns: number;
  /** The mean, of which outliers are part. */
  mean: number;
  /** Messages that went by RDMA READ and WRITE, and looks at user_delta: rank 0's, then rank 1's. */
  gets: number[];
  puts: number[];
  looks: number[];
}

/** One figure of one round. */
export interface Figure {
  kind: 'figure';
  round: number;
  /** 'latency', 'get', 'put', 'cached get', 'cached put'. */
  measure: string;
  /** 'ours', a program of perftest, 'bare'; 'dreg' and 'none' for cached transfers. */
  who: string;
  bytes: number;
  ns: number;
}

/** System calls of a steady phase, for each message, by name. */
export interface Calls {
  kind: 'calls';
  measure: string;
  bytes: number;
  perMessage: Record<string, number>;
}

/** What the look and the monitor's calls cost, in nanoseconds. */
export interface Part {
  kind: 'part';
  /** One look at user_delta. */
  look: number;
  /** MONITOR and UNMONITOR of a range, by its bytes. */
  monitor: Record<string, number>;
}

/** Looks at user_delta that a message takes, both ends together. */
export interface Looks {
  kind: 'looks';
  measure: string;
  bytes: number;
  perMessage: number;
}

export type Report = Figure | Calls | Part | Looks;

/** Round trips between two looks at the clock. */
export const TRIPS_TIMED = 5;
/** Messages under way in a window. */
export const WINDOW = 16;
export const LATENCY_BYTES = 8;
export const TRANSFER_BYTES = 2 ** 20;
export const CACHED_BYTES = [2 ** 16, 2 ** 20, 2 ** 24];
