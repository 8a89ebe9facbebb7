/** Arrays that are dealt out to a grid of processes (MPI 4.1, 5.1.4). */
import { inWords } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import { checkCount, checkInteger, checkList } from './checks.ts';

/** How one dimension of an array is dealt out to processes, for {@link Layout.darray}. */
export interface Distribution {
  /** Elements of the whole array along this dimension. */
  readonly size: number;
  /** In one piece each, in turns, or not at all. */
  readonly kind: 'block' | 'cyclic' | 'none';
  /** Elements of a piece; if left out, as few as suffice ('block'), or 1 ('cyclic'). */
  readonly arg?: number;
  /** Processes along this dimension; 1 for 'none'. */
  readonly processes: number;
}

/** Elements along one dimension: `count` times `length` of them, `stride` from one beginning to the next. */
export interface Part {
  readonly start: number;
  readonly length: number;
  readonly count: number;
  readonly stride: number;
}

/** What process `rank` has, in each dimension. @throws MpiError ERR_ARG, ERR_COUNT */
export function ownedParts(
  size: number,
  rank: number,
  distribution: readonly Distribution[],
): { size: number; parts: Part[] }[] {
  checkList(distribution, 'the distribution');
  checkCount(size, 'the number of processes');
  checkInteger(rank, 'the rank');
  const places = distribution.reduce((product, each, i) => product * processesOf(each, i), 1);
  if (distribution.length === 0 || places !== size)
    throw new MpiError(
      'ERR_ARG',
      `the grid of processes has ${places} places in ${distribution.length} dimensions, and there are ${size} processes`,
    );
  if (rank < 0 || rank >= size)
    throw new MpiError('ERR_ARG', `the rank ${rank} is none of ${size} processes`);
  const owned: { size: number; parts: Part[] }[] = [];
  let rest = size;
  let place = rank;
  for (const each of distribution) {
    rest /= each.processes;
    owned.push({ size: each.size, parts: partsOf(each, Math.floor(place / rest)) });
    place %= rest;
  }
  return owned;
}

function processesOf(dimension: unknown, i: number): number {
  const { size, kind, arg, processes } = Object(dimension) as Distribution;
  checkCount(size, `the size of dimension ${i}`);
  checkCount(processes, `the number of processes along dimension ${i}`);
  const problem =
    kind !== 'block' && kind !== 'cyclic' && kind !== 'none'
      ? `${inWords(kind)} is no kind of distribution: 'block', 'cyclic' or 'none'`
      : processes === 0
        ? 'there is no process'
        : arg !== undefined && !(Number.isSafeInteger(arg) && arg > 0)
          ? `a piece of ${inWords(arg)} elements is none`
          : kind === 'none' && processes !== 1
            ? `what is not dealt out has one process, not ${processes}`
            : kind === 'block' && arg !== undefined && arg * processes < size
              ? `${processes} blocks of ${arg} are less than the array's ${size}`
              : null;
  if (problem !== null) throw new MpiError('ERR_ARG', `in dimension ${i} ${problem}`);
  return processes;
}

function partsOf({ size, kind, arg, processes }: Distribution, place: number): Part[] {
  if (kind === 'none') return [{ start: 0, length: size, count: 1, stride: 0 }];
  const piece = arg ?? (kind === 'block' ? Math.max(1, Math.ceil(size / processes)) : 1);
  const first = place * piece;
  const round = piece * processes;
  // Whole pieces of this process, and what the array's end cuts off the last one.
  const whole = Math.max(0, Math.floor((size - first - piece) / round) + 1);
  const start = first + whole * round;
  const parts: Part[] = [{ start: first, length: piece, count: whole, stride: round }];
  if (start < size) parts.push({ start, length: size - start, count: 1, stride: 0 });
  return parts;
}
