/**
 * Which algorithm a collective call takes: the one place that decides it. All ranks of a call have to decide alike, so
 * it looks at nothing but what all of them know: the operation, how many ranks there are, how many bytes.
 */
import { MpiError } from '../../base/error.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Lines } from './lines/lines.ts';
import type { LineOperation } from './lines/operation.ts';
import type { Nodes } from './nodes.ts';
import type { Schedule } from './schedule.ts';
import type { Signature } from './signature.ts';

/** What all ranks of a call know of it. */
export interface Shape {
  readonly ranks: number;
  /** Of a rank's block, or of the whole where there is one; 0 where the ranks' lengths differ. */
  readonly bytes: number;
  readonly inPlace?: boolean;
  /** Absent where all ranks are on one. */
  readonly nodes?: Nodes | undefined;
}

/** One way to do an operation. */
export interface Algorithm<Call, Of extends Shape = Shape> {
  /** As DREG_COLL_… names it. */
  readonly name: string;
  /** Whether it works for this shape; it does for all where this is left out. */
  can?(shape: Of): boolean;
  /** Whether it is the best for this shape. */
  best(shape: Of): boolean;
  /** @param tag of all its messages */
  run(endpoint: Endpoint, tag: number, call: Call): Schedule<void>;
}

/** The way without messages, on control lines (docs/internals/control-lines.md). */
export interface LineAlgorithm<Call, Of extends Shape = Shape> {
  /** Whether it works for this shape; it does for all where this is left out. */
  can?(shape: Of): boolean;
  /** Whether it beats messages; it does for all shapes where this is left out. */
  best?(shape: Of): boolean;
  /**
   * Whether it is with more ranks than CPUs; as `best` says where this is left out. There, who needs nothing of the
   * others had better go far ahead of them, as it can by messages, and not a few rounds.
   */
  inCrowd?(shape: Of): boolean;
  make(lines: Lines, call: Call, signature: Signature): LineOperation;
}

/** A call without messages. */
export interface LineCall<Result> {
  /** Whether it is worth while with more ranks than CPUs, too. */
  readonly inCrowd: boolean;
  make(lines: Lines): LineOperation;
  result(): Result;
}

/** An operation's algorithms: the first that is the best is taken, and the last where none says so. */
export interface Table<Call, Of extends Shape = Shape> {
  /** As the environment names it: BCAST. */
  readonly operation: string;
  readonly algorithms: readonly Algorithm<Call, Of>[];
  /** Taken where the ranks have memory in common, unless the environment names another; as LINES. */
  readonly lines?: LineAlgorithm<Call, Of>;
}

/** As DREG_COLL_… names it, and as its place. */
export const LINES = 'lines';
const ON_LINES = -2;

/** What was chosen; `number` is its place in the table, from 1 on. */
export interface Choice<Call, Of extends Shape = Shape> {
  readonly algorithm: Algorithm<Call, Of>;
  readonly number: number;
}

/** @throws MpiError ERR_ARG where the environment names an algorithm that there is not */
export function choose<Call, Of extends Shape>(
  table: Table<Call, Of>,
  shape: Of,
): Choice<Call, Of> {
  const { algorithms } = table;
  const wanted = overrideOf(table);
  if (wanted >= 0 && works(algorithms[wanted], shape)) return choice(algorithms, wanted);
  const last = algorithms.length - 1;
  for (let i = 0; i < last; i++)
    if (works(algorithms[i], shape) && algorithms[i].best(shape)) return choice(algorithms, i);
  return choice(algorithms, last);
}

function choice<Call, Of extends Shape>(
  algorithms: readonly Algorithm<Call, Of>[],
  place: number,
): Choice<Call, Of> {
  return { algorithm: algorithms[place], number: place + 1 };
}

function works<Call, Of extends Shape>(algorithm: Algorithm<Call, Of>, shape: Of): boolean {
  return algorithm.can === undefined || algorithm.can(shape);
}

/** A call on control lines, for ranks that have them; undefined where the environment names another way, or it does not work for this shape. */
export function chooseLines<Call, Of extends Shape, Result>(
  table: Table<Call, Of>,
  shape: Of,
  call: Call,
  signature: Signature,
  result: () => Result,
): LineCall<Result> | undefined {
  const { lines: algorithm } = table;
  if (algorithm === undefined) return undefined;
  const wanted = overrideOf(table);
  if (wanted >= 0 || algorithm.can?.(shape) === false) return undefined;
  if (wanted !== ON_LINES && algorithm.best?.(shape) === false) return undefined;
  const inCrowd = wanted === ON_LINES || algorithm.inCrowd?.(shape) !== false;
  return { inCrowd, make: (lines) => algorithm.make(lines, call, signature), result };
}

/** What the names of a table's algorithms are. */
interface Named {
  readonly operation: string;
  readonly algorithms: readonly { readonly name: string }[];
  readonly lines?: unknown;
}

/** What the environment says, by operation: looked at once. */
const overrides = new Map<string, number>();

/**
 * The place of the algorithm that the environment names; -1: none; ON_LINES.
 * @environment DREG_COLL_BCAST, DREG_COLL_ALLGATHER, … | an algorithm of the operation | takes this algorithm wherever it
 *   works, in place of the one that is the best for the length and the ranks; the same for all ranks
 *   ([which there are](../internals/collectives.md#algorithms))
 */
function overrideOf({ operation, algorithms, lines }: Named): number {
  const known = overrides.get(operation);
  if (known !== undefined) return known;
  const name = process.env[`DREG_COLL_${operation}`] || '';
  const place = algorithms.findIndex((each) => each.name === name);
  const names = [...(lines === undefined ? [] : [LINES]), ...algorithms.map((each) => each.name)];
  if (name !== '' && !names.includes(name))
    throw new MpiError(
      'ERR_ARG',
      `DREG_COLL_${operation} is "${name}"; it may be ${names.join(', ')}`,
    );
  const chosen = lines !== undefined && name === LINES ? ON_LINES : place;
  overrides.set(operation, chosen);
  return chosen;
}

/** Reads the environment anew; for tests, which change it. */
export function forgetOverrides(): void {
  overrides.clear();
}
