/** Steps that make and free communicators (MPI 4.1, 7), and the barrier. */
import { type Communicator, MPI } from '../../../runtime/index.ts';
import { commOf, comms, type Step, type Steps } from './step.ts';

/** Tells who is in a new communicator, by ranks of the world. */
function made({ numbers, trace }: Step, comm: Communicator | null): void {
  comms.set(numbers[0], comm);
  if (comm === null) trace('none');
  else {
    const ranks = Array.from({ length: comm.size }, (_, one) => one);
    for (const [i, world] of comm.group.translate(ranks, MPI.world.group).entries())
      trace(`${i} of ${comm.size} is ${world}${i === comm.rank ? ', this one' : ''}`);
  }
}

export const communicators: Steps = {
  async split(step) {
    const [, parent, color, key] = step.numbers;
    const shade = color === -1 ? null : color;
    const comm = commOf(parent);
    made(step, step.blocks ? comm.splitSync(shade, key) : await comm.split(shade, key));
  },

  async dup(step) {
    const comm = commOf(step.numbers[1]);
    made(step, step.blocks ? comm.dupSync() : await comm.dup());
  },

  async create(step) {
    const [, parent, ...ranks] = step.numbers;
    const comm = commOf(parent);
    const group = comm.group.incl(ranks);
    made(step, step.blocks ? comm.createSync(group) : await comm.create(group));
  },

  async inter({ numbers, blocks, trace }) {
    const [slot, local, leader, bridge, remote, tag] = numbers;
    const what = [leader, commOf(bridge), remote, tag] as const;
    const comm = commOf(local);
    const made = blocks ? comm.createInterSync(...what) : await comm.createInter(...what);
    // The steps of collective operations alone take it, and they take either.
    comms.set(slot, made as unknown as Communicator);
    trace(`${made.size} to ${made.remoteSize}`);
  },

  free({ numbers }) {
    comms.get(numbers[0])?.free();
    comms.delete(numbers[0]);
  },

  async barrier({ numbers, blocks }) {
    const comm = commOf(numbers[0]);
    if (blocks) comm.barrierSync();
    else await comm.barrier();
  },

  seed({ numbers, trace }) {
    trace(`seed ${numbers[0]}`);
  },
};
