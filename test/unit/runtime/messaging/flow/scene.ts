/**
 * Ranks within this process with hardly any credit, so that all that happens to messages without credit
 * happens in a few steps.
 */
import { expect } from 'vitest';
import type { Request } from '../../../../../runtime/index.ts';
import {
  CREDIT_UNIT_BYTES,
  type CreditLimits,
} from '../../../../../runtime/messaging/flow/credit.ts';
import { Communicator } from '../../../../../runtime/mpi/communicator.ts';
import { worldOf } from '../../../../../runtime/mpi/first-communicators.ts';
import { SelfTransport } from '../../../../../transports/self/transport.ts';
import type { Transport } from '../../../../../transports/transport.ts';
import { VerbsTransport } from '../../../../../transports/verbs/transport.ts';
import { ShmGroup } from '../../../../conformance/transports/shm-group.ts';
import { localJobs } from '../../../../conformance/transports/verbs-group.ts';
import { BareEngine } from '../../../../tools/bare-engine.ts';
import { Random } from '../../../../tools/random.ts';
import { Fabric, SimulatedDevice } from '../../../transports/verbs/simulated.ts';
import { Simulation, type SimulationOptions } from '../simulated.ts';

const STEPS_MAX = 20_000;
/** Two communicators: their messages go in the same flow. */
export const COMMUNICATORS = 2;

export const credit = (messages: number, units: number): CreditLimits => ({
  messages,
  bytes: units * CREDIT_UNIT_BYTES,
});

/** Ranks within this process, and how they make progress. */
export type Ranks = Pick<Simulation, 'engines' | 'step' | 'offences' | 'close'>;

export interface Scene<R extends Ranks = Simulation> {
  simulation: R;
  /** By rank and communicator. */
  comms: Communicator[][];
}

const open: Ranks[] = [];

export function closeScenes(): void {
  for (const simulation of open.splice(0)) simulation.close();
}

export function scene(seed: number, options: Omit<SimulationOptions, 'random'> = {}): Scene {
  const simulation = new Simulation({
    random: new Random(seed),
    credit: [credit(3, 3), credit(1, 1)],
    ...options,
  });
  return sceneOf(simulation);
}

function sceneOf<R extends Ranks>(simulation: R): Scene<R> {
  open.push(simulation);
  const comms = simulation.engines.map((engine) => {
    const world = worldOf(engine);
    return [world, secondOf(world)];
  });
  for (const engine of simulation.engines)
    for (let rank = 0; rank < comms.length; rank++) engine.contact(rank);
  return { simulation, comms };
}

/** Another communicator of all ranks, which each rank calls by a number of its own. */
function secondOf({ endpoint, group }: Communicator): Communicator {
  const { engine, session } = endpoint;
  const { contexts } = engine.receiving;
  for (let i = 0; i < engine.rank; i++) contexts.begin();
  const pair = contexts.begin();
  pair.join(
    group,
    Float64Array.from(group, (rank) => rank + 1),
  );
  return new Communicator(engine, pair, group, session);
}

export function step(made: Scene<Ranks>, until: () => boolean): void {
  for (let i = 0; i < STEPS_MAX && !until(); i++) made.simulation.step();
  expect(made.simulation.offences).toEqual([]);
}

export function finish(made: Scene<Ranks>, requests: Request[]): void {
  step(made, () => requests.every(({ done }) => done));
  expect(requests.map(({ done, error }) => [done, error])).toEqual(
    requests.map(() => [true, null]),
  );
}

/** Turns without anything new until nothing can move any more. */
export const QUIET = 400;

export function settle({ simulation }: Scene<Ranks>): void {
  for (let i = 0; i < QUIET; i++) simulation.step();
}

/** A transport that is slow and small. */
export function simulated(seed: number, ranks: number): Scene {
  const random = new Random(seed);
  const pick = <Item>(...items: Item[]) => random.pick(items);
  return scene(seed, {
    ranks,
    maxBody: pick(16, 100, 300),
    eagerBytes: pick(32, 100, 300),
    schemes: pick(['get', 'put'] as const, ['put'] as const),
    room: pick(1, 2, 6),
    burst: pick(1, 4),
    credit: [credit(pick(1, 3, 7), pick(0, 3, 7)), credit(1, 0)],
  });
}

/** Engines over transports of their own, which make progress in random order. */
function ranksOver(
  transports: readonly Transport[],
  random: Random,
  before: () => void,
  close: () => void,
): Scene<Ranks> {
  const engines = transports.map(
    (node, rank) =>
      new BareEngine({
        rank,
        size: transports.length,
        self: new SelfTransport(rank),
        node,
        spinPolls: 1,
        spinMs: 1,
        singleCopy: 'auto',
        rendezvous: 'auto',
        credit: [credit(3, 7), credit(1, 0)],
      }),
  );
  const step = () => {
    before();
    for (let i = 0; i < engines.length; i++) engines[random.below(engines.length)].progress();
  };
  const closeAll = () => {
    for (const engine of engines) engine.loop.close();
    close();
  };
  return sceneOf({ engines, step, offences: [], close: closeAll });
}

export function overShm(seed: number, ranks: number): Scene<Ranks> {
  const group = new ShmGroup(ranks);
  return ranksOver(
    group.transports,
    new Random(seed),
    () => {},
    () => group.close(),
  );
}

export function overVerbs(seed: number, ranks: number): Scene<Ranks> {
  const random = new Random(seed);
  const fabric = new Fabric({ random });
  const transports = localJobs(ranks).map(
    (job) => new VerbsTransport(new SimulatedDevice(fabric), job),
  );
  return ranksOver(
    transports,
    random,
    () => fabric.deliverOne(),
    () => {
      for (const transport of transports) transport.close();
    },
  );
}
