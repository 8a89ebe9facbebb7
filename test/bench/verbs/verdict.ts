/** What the rounds say, and the targets that they are held against. */
import { type Spread, spread } from '../p2p/spread.ts';
import type { Calls, Figure, Looks, Part, Report } from './measures.ts';

/** Our half round trip of 8 bytes over perftest's. */
export const LATENCY_MOST = 2;
/** Our bandwidth over perftest's. */
export const BANDWIDTH_LEAST = 0.9;
/** dreg's part of a cached transfer, in percent. */
export const PART_MOST = 1;
/** The call by which user space rings rxe's doorbell. */
export const DOORBELL = 'write';
/** Answered without the kernel (vDSO) where the clock is not emulated: no part of the path. */
export const CLOCK = 'clock_gettime';
/** What is rarer, for a message, is not done for each: V8's own, and the look at the device's events. */
export const RARE = 0.1;

export interface Target {
  what: string;
  value: number;
  met: boolean;
}

/** Ours beside another program: `ratio` of times for 'latency', of bandwidths for the others. */
export interface Compared {
  measure: string;
  bytes: number;
  who: string;
  ours: Spread;
  theirs: Spread;
  ratio: Spread;
  target?: Target;
}

/** Transfers of one size with cached registrations, and registered each time. */
export interface Cached {
  measure: string;
  bytes: number;
  cached: Spread;
  none: Spread;
  /** How much longer it takes without a cache, within each round. */
  worth: Spread;
  /** Looks at user_delta for a message, both ends together. */
  looks: number;
  /** What they take of a cached transfer, in percent. */
  looksPercent: number;
  /** MONITOR and UNMONITOR at both ends, in percent of a transfer that registers each time. */
  monitorPercent: number;
  target: Target;
}

export interface Called {
  measure: string;
  bytes: number;
  perMessage: Record<string, number>;
  target: Target;
}

export interface Results {
  compared: Compared[];
  cached: Cached[];
  called: Called[];
}

/** The figures of a program, by round. @throws Error where there are none */
function seriesOf(figures: readonly Figure[], measure: string, who: string, bytes: number) {
  const found = new Map<number, number>();
  for (const one of figures)
    if (one.measure === measure && one.who === who && one.bytes === bytes)
      found.set(one.round, one.ns);
  if (found.size === 0) throw new Error(`nothing was measured of ${who}, ${measure}, ${bytes} B`);
  return found;
}

/** The quotient of two programs' figures within each round. */
function ratios(above: ReadonlyMap<number, number>, below: ReadonlyMap<number, number>): number[] {
  return [...above].flatMap(([round, ns]) => {
    const other = below.get(round);
    return other === undefined ? [] : [ns / other];
  });
}

const spreadOf = (series: ReadonlyMap<number, number>) => spread([...series.values()]);

function targetOf(measure: string, who: string, value: number): Target | undefined {
  if (who === 'bare') return undefined;
  return measure === 'latency'
    ? { what: `at most ${LATENCY_MOST}`, value, met: value <= LATENCY_MOST }
    : { what: `at least ${BANDWIDTH_LEAST}`, value, met: value >= BANDWIDTH_LEAST };
}

function compare(figures: readonly Figure[], measure: string): Compared[] {
  const of = figures.filter((one) => one.measure === measure);
  const others = new Set(of.map(({ who }) => who).filter((who) => who !== 'ours'));
  return [...others].map((who) => {
    const { bytes } = of[0];
    const ours = seriesOf(of, measure, 'ours', bytes);
    const theirs = seriesOf(of, measure, who, bytes);
    // The greater the time, the less the bandwidth.
    const ratio = spread(measure === 'latency' ? ratios(ours, theirs) : ratios(theirs, ours));
    const target = targetOf(measure, who, ratio.median);
    const spreads = { ours: spreadOf(ours), theirs: spreadOf(theirs), ratio };
    return { measure, bytes, who, ...spreads, ...(target && { target }) };
  });
}

function cachedOf(figures: readonly Figure[], looks: Looks, part: Part): Cached {
  const { bytes } = looks;
  const measure = `cached ${looks.measure}`;
  const dreg = seriesOf(figures, measure, 'dreg', bytes);
  const without = seriesOf(figures, measure, 'none', bytes);
  const cached = spreadOf(dreg);
  const none = spreadOf(without);
  const looksPercent = (100 * looks.perMessage * part.look) / cached.median;
  return {
    measure: looks.measure,
    bytes,
    cached,
    none,
    worth: spread(ratios(without, dreg)),
    looks: looks.perMessage,
    looksPercent,
    monitorPercent: (100 * 2 * part.monitor[bytes]) / none.median,
    target: {
      what: `less than ${PART_MOST} %`,
      value: looksPercent,
      met: looksPercent < PART_MOST,
    },
  };
}

function calledOf({ measure, bytes, perMessage }: Calls): Called {
  const besides = Object.entries(perMessage).filter(
    ([name, count]) => name !== DOORBELL && name !== CLOCK && count >= RARE,
  );
  const value = besides.reduce((sum, [, count]) => sum + count, 0);
  const target = { what: `0 besides ${DOORBELL} (and ${CLOCK})`, value, met: value === 0 };
  return { measure, bytes, perMessage, target };
}

/** @throws Error where something was not measured */
export function resultsOf(reports: readonly Report[]): Results {
  const all = <Kind extends Report['kind']>(kind: Kind) =>
    reports.filter((one): one is Extract<Report, { kind: Kind }> => one.kind === kind);
  const figures = all('figure');
  const [part] = all('part');
  if (part === undefined) throw new Error('what dreg takes part with was not measured');
  return {
    compared: ['latency', 'get', 'put'].flatMap((measure) => compare(figures, measure)),
    cached: all('looks').map((looks) => cachedOf(figures, looks, part)),
    called: all('calls').map(calledOf),
  };
}

export function targetsOf({ compared, cached, called }: Results): Target[] {
  return [...compared, ...cached, ...called].flatMap(({ target }) => target ?? []);
}
