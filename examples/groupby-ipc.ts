/**
 * The same as groupby.ts does, by `child_process`: children can send to their parent alone, so it passes the
 * rows on. This file is the parent's side and, where it is started as a program, that of a child.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Groups, makeRows, partition, type Table } from './rows.ts';

const FILE = fileURLToPath(import.meta.url);

/** From the parent: what to do, or rows of another child. */
type Order = { rows: number; rank: number; size: number } | { begin: true } | { table: Table };
/** From a child: it has its rows; rows for another one; all of its own groups. */
type Said = { ready: true } | { to: number; table: Table } | { groups: number; check: number };

export interface Grouped {
  groups: number;
  check: number;
  ms: number;
}

/** Each child has a share of the rows at first, and the groups of its keys in the end. */
export async function groupByIpc(rows: number, size: number): Promise<Grouped> {
  const children = Array.from({ length: size }, () => fork(FILE, { serialization: 'advanced' }));
  try {
    return await conduct(children, rows);
  } finally {
    for (const child of children) child.disconnect();
  }
}

function conduct(children: readonly ChildProcess[], rows: number): Promise<Grouped> {
  const size = children.length;
  const total = { groups: 0, check: 0 };
  let [ready, done, started] = [0, 0, 0];
  return new Promise((resolve, reject) => {
    const listen = (said: Said) => {
      if ('to' in said) children[said.to].send({ table: said.table });
      else if ('ready' in said) {
        if (++ready < size) return;
        started = performance.now();
        for (const child of children) child.send({ begin: true });
      } else {
        total.groups += said.groups;
        total.check += said.check;
        if (++done === size) resolve({ ...total, ms: performance.now() - started });
      }
    };
    for (const [rank, child] of children.entries()) {
      child.on('message', listen);
      child.on('error', reject);
      child.on('exit', (status) => reject(new Error(`a child ended with status ${status}`)));
      child.send({ rows, rank, size } satisfies Order);
    }
  });
}

function child(): void {
  const say = (said: Said) => process.send?.(said);
  const groups = new Groups();
  let mine: Table;
  let [rank, size, heard] = [0, 0, 0];
  const take = (table: Table) => {
    groups.add(table);
    if (++heard === size) say(groups.result);
  };
  process.on('message', (order: Order) => {
    if ('rows' in order) {
      ({ rank, size } = order);
      mine = makeRows(order.rows, rank, size);
      say({ ready: true });
    } else if ('table' in order) take(order.table);
    else deal();
  });
  const deal = () => {
    const { keys, values, counts } = partition(mine, size);
    let from = 0;
    for (const [to, count] of counts.entries()) {
      const end = from + count;
      const table = { keys: keys.slice(from, end), values: values.slice(from, end) };
      if (to === rank) take(table);
      else say({ to, table });
      from = end;
    }
  };
}

if (process.argv[1] === FILE) child();
