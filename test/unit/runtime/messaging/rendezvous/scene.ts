/** Ranks in this process that send each other large messages, and what must hold when all is over. */
import { afterEach, expect } from 'vitest';
import type { Request } from '../../../../../runtime/index.ts';
import type { Communicator } from '../../../../../runtime/mpi/communicator.ts';
import { worldOf } from '../../../../../runtime/mpi/first-communicators.ts';
import { filled } from '../../../../tools/bytes.ts';
import { Random } from '../../../../tools/random.ts';
import { Simulation, type SimulationOptions } from '../simulated.ts';

const STEPS_MAX = 200_000;

export interface Scene {
  simulation: Simulation;
  comms: Communicator[];
}

const open: Simulation[] = [];

afterEach(() => {
  for (const simulation of open.splice(0)) simulation.close();
});

export function scene(seed: number, options: Omit<SimulationOptions, 'random'> = {}): Scene {
  const simulation = new Simulation({ random: new Random(seed), ...options });
  open.push(simulation);
  const comms = simulation.engines.map((engine) => worldOf(engine));
  // Contact, so that each has the other.
  for (const engine of simulation.engines)
    for (let rank = 0; rank < comms.length; rank++) if (rank !== engine.rank) engine.contact(rank);
  return { simulation, comms };
}

export function send(
  { simulation, comms }: Scene,
  bytes: Uint8Array,
  from: number,
  to: number,
  tag = 0,
) {
  const request = comms[from].isend(bytes, to, tag);
  if (!request.done) simulation.requests.push(request);
  return request;
}

export function receive(
  { simulation, comms }: Scene,
  bytes: Uint8Array,
  at: number,
  from: number,
  tag = 0,
) {
  const request = comms[at].irecv(bytes, from, tag);
  if (!request.done) simulation.requests.push(request);
  return request;
}

export function finish(
  { simulation }: Scene,
  requests: Request[],
  eachStep: () => void = () => {},
): void {
  for (let i = 0; i < STEPS_MAX && requests.some(({ done }) => !done); i++) {
    simulation.step();
    eachStep();
  }
  expect(requests.map(({ done }) => done)).toEqual(requests.map(() => true));
}

/** What must hold when all is over: nothing exported, nothing under way, no offence. */
export function expectClean({ simulation }: Scene): void {
  for (let i = 0; i < 300; i++) simulation.step();
  expect(simulation.offences).toEqual([]);
  expect(simulation.open).toBe(0);
  expect(simulation.operations).toEqual([]);
  expect(simulation.counts.revoked).toBe(simulation.counts.exported);
}

/** One message of `length` bytes from rank 0 to rank 1. */
export function exchange(made: Scene, length: number, eachStep?: () => void) {
  const bytes = filled(length, length);
  const to = new Uint8Array(length);
  const requests = [receive(made, to, 1, 0), send(made, bytes, 0, 1)];
  finish(made, requests, eachStep);
  for (const { error } of requests) expect(error).toBe(null);
  expect(Buffer.compare(to, bytes)).toBe(0);
}

export const messages = ({ simulation }: Scene, rank: number) =>
  simulation.engines[rank].messages.simulated;
