/** What the ranks of a node wait for. */
import { type Board, readBoard } from '../messaging/deadlock/standstill.ts';
import { waitsFor } from '../messaging/deadlock/waits.ts';

export interface Inspection {
  /** In the world. */
  readonly rank: number;
  /** The call that it waits in; null while it runs, or has waited for less than a second. */
  readonly operation: string | null;
  /** World ranks of which one at least has to act before it goes on. */
  readonly waitsFor: readonly number[];
  /** Where in its program, a call a line; empty where nothing is known. */
  readonly stack: string;
}

/** @param board null in a world of one */
export function inspect(self: number, board: Board | null): Inspection[] {
  const told = new Map(
    board === null ? [] : readBoard(board).map(({ told: wait }) => [wait.rank, wait]),
  );
  return (board?.ranks ?? [self]).map((rank) => {
    const wait = told.get(rank);
    return {
      rank,
      operation: wait?.operations[0]?.operation ?? null,
      waitsFor: wait === undefined ? [] : waitsFor(wait),
      stack: wait?.stack ?? '',
    };
  });
}
