/** The arithmetic of `npm run bench:verbs`: what is read from programs and the kernel, and what follows. */
import { expect, test } from 'vitest';
import type { Figure, Report } from './verbs/measures.ts';
import { isTimeless, latencyOf, messageTimeOf, readTable } from './verbs/perftest.ts';
import { perMessage, readCounts } from './verbs/system-calls.ts';
import { resultsOf, targetsOf } from './verbs/verdict.ts';

const RULE = '-'.repeat(87);
const LATENCY = [
  '                    Send Latency Test',
  ' Mtu             : 4096[B]',
  RULE,
  ' #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec] ',
  ' 8       5000          10.60          42144.41      11.18    \t       74.49       \t564.31 \t\t1303.14 \t\t7970.22',
  RULE,
  '',
].join('\n');
const BANDWIDTH = [
  ' #bytes     #iterations    BW peak[MiB/sec]    BW average[MiB/sec]   MsgRate[Mpps]',
  ' 1048576    64             412.50             400.00              0.000400',
  RULE,
].join('\n');
/** A counter of 2 GHz, of which the kernel knows. */
const TICKS = { tick: 0.5, nominalMHz: 2000 };

test('the table of a latency', () => {
  const table = readTable(LATENCY);
  expect([...table.keys()].slice(0, 6)).toEqual([
    '#bytes',
    '#iterations',
    't_min[usec]',
    't_max[usec]',
    't_typical[usec]',
    't_avg[usec]',
  ]);
  expect(table.get('#iterations')).toBe(5000);
  expect(latencyOf(LATENCY, TICKS)).toBeCloseTo(11_180);
});

test('the table of a bandwidth, in either spelling of the unit', () => {
  const ns = (2 ** 20 / (400 * 2 ** 20)) * 1e9;
  expect(messageTimeOf(BANDWIDTH, 2 ** 20, TICKS)).toBeCloseTo(ns);
  expect(messageTimeOf(BANDWIDTH.replaceAll('MiB', 'MB'), 2 ** 20, TICKS)).toBeCloseTo(ns);
});

test('no table is an error that shows what was printed', () => {
  expect(() => readTable("Couldn't connect to 127.0.0.1:18515")).toThrow(
    /no table:\nCouldn.t connect/,
  );
  expect(() => readTable(LATENCY.replaceAll(/\d+\.\d+/g, 'inf'))).toThrow(/no table/);
  expect(() => latencyOf(BANDWIDTH, TICKS)).toThrow(/no column t_typical/);
});

test('a tick that the program took for too short or too long is put right', () => {
  // It took 4 GHz: ticks of 0.25 ns, so that all times came out half as long.
  const warning = 'Warning: measured timestamp frequency 4000 differs from nominal 2000 MHz\n';
  expect(latencyOf(warning + LATENCY, TICKS)).toBeCloseTo(2 * 11_180);
  expect(messageTimeOf(warning + BANDWIDTH, 2 ** 20, TICKS)).toBeCloseTo(2 * 2.5e6);
  // What the kernel says is a little off, too.
  expect(latencyOf(LATENCY, { tick: 0.505, nominalMHz: 2000 })).toBeCloseTo(1.01 * 11_180);
});

test('a program that found no tick at all is run again', () => {
  expect(isTimeless(`Correlation coefficient r^2: 0.694437 < 0.9\n${LATENCY}`)).toBe(true);
  expect(isTimeless(LATENCY)).toBe(false);
});

const HISTOGRAM = [
  '# event histogram',
  '#',
  '{ common_pid:        412, id: sys_write                     [  1] } hitcount:        100',
  '{ common_pid:        412, id: sys_sched_yield               [ 24] } hitcount:         40',
  '{ common_pid:        413, id: sys_write                     [  1] } hitcount:          7',
  '{ common_pid:        999, id: sys_write                     [  1] } hitcount:       5000',
  '',
  'Totals:',
  '    Hits: 5147',
].join('\n');

test('system calls of the threads asked for, and no others', () => {
  const counts = readCounts(HISTOGRAM, new Set([412, 413]));
  expect(Object.fromEntries(counts)).toEqual({ write: 107, sched_yield: 40 });
});

test('what is done once is not part of a message', () => {
  const few = { counts: new Map(Object.entries({ write: 110, read: 9, futex: 3 })), messages: 100 };
  const many = {
    counts: new Map(Object.entries({ write: 910, read: 9, futex: 3, sched_yield: 200 })),
    messages: 900,
  };
  expect(perMessage(few, many)).toEqual({ write: 1, sched_yield: 0.25 });
});

const figure = (
  measure: string,
  who: string,
  bytes: number,
  round: number,
  ns: number,
): Figure => ({
  kind: 'figure',
  round,
  measure,
  who,
  bytes,
  ns,
});

/** Three rounds, of which the machine was half as fast in the second. */
const series = (measure: string, who: string, bytes: number, ns: number) =>
  [1, 2, 3].map((round) => figure(measure, who, bytes, round, round === 2 ? 2 * ns : ns));

const REPORTS: Report[] = [
  { kind: 'part', look: 20, monitor: { 65536: 1000 } },
  ...series('latency', 'ours', 8, 21_000),
  ...series('latency', 'ib_send_lat', 8, 10_000),
  ...series('latency', 'bare', 8, 7000),
  ...series('get', 'ours', 1048576, 2_000_000),
  ...series('get', 'ib_read_bw', 1048576, 1_900_000),
  ...series('put', 'ours', 1048576, 2_000_000),
  ...series('put', 'ib_write_bw', 1048576, 1_700_000),
  ...series('cached get', 'dreg', 65536, 200_000),
  ...series('cached get', 'none', 65536, 400_000),
  { kind: 'looks', measure: 'get', bytes: 65536, perMessage: 4 },
  {
    kind: 'calls',
    measure: 'latency',
    bytes: 8,
    perMessage: { write: 1, clock_gettime: 0.5, read: 0.01 },
  },
  { kind: 'calls', measure: 'get', bytes: 1048576, perMessage: { write: 3, sched_yield: 0.5 } },
];

test('ratios are taken within a round', () => {
  const { compared } = resultsOf(REPORTS);
  const [send, bare, get, put] = compared;
  expect(send.ratio).toEqual({ median: 2.1, least: 2.1, most: 2.1 });
  expect(send.ours).toEqual({ median: 21_000, least: 21_000, most: 42_000 });
  expect(bare.ratio.median).toBe(3);
  // Of bandwidths, where more is better.
  expect(get.ratio.median).toBeCloseTo(0.95);
  expect(put.ratio.median).toBeCloseTo(0.85);
});

test('targets: perftest is one, our own program on bare verbs is not', () => {
  const { compared, called } = resultsOf(REPORTS);
  expect(compared.map(({ who, target }) => [who, target?.met])).toEqual([
    ['ib_send_lat', false],
    ['bare', undefined],
    ['ib_read_bw', true],
    ['ib_write_bw', false],
  ]);
  expect(called.map(({ target }) => target)).toEqual([
    { what: '0 besides write (and clock_gettime)', value: 0, met: true },
    { what: '0 besides write (and clock_gettime)', value: 0.5, met: false },
  ]);
  expect(targetsOf(resultsOf(REPORTS))).toHaveLength(6);
});

test("dreg's part: looks of a cached transfer, the monitor's calls of one that registers", () => {
  const [row] = resultsOf(REPORTS).cached;
  expect(row.worth.median).toBe(2);
  expect(row.looksPercent).toBeCloseTo((100 * 4 * 20) / 200_000);
  expect(row.monitorPercent).toBeCloseTo((100 * 2 * 1000) / 400_000);
  expect(row.target.met).toBe(true);
});

test('what was not measured is an error, not a figure', () => {
  const without = REPORTS.filter((one) => one.kind !== 'figure' || one.who !== 'ours');
  expect(() => resultsOf(without)).toThrow(/nothing was measured of ours/);
  expect(() => resultsOf(REPORTS.slice(1))).toThrow(/was not measured/);
});
