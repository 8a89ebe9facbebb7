/** What the calculation and the simulation rest on: the code's limits, and what was measured. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';

/** Measured, or assumed by the reader: `--costs FILE` gives others. Times in microseconds. */
export interface Costs {
  /** ibv_create_qp and what belongs to it. */
  createUs: number;
  /** ibv_modify_qp, three times: to INIT, RTR and RTS. */
  connectUs: number;
  /** To take a datagram, understand it, and answer. */
  helloUs: number;
  /** The launcher's time for a request, while several ranks ask. */
  pmiUs: number;
  /** From one rank's device to another one's memory. */
  latencyUs: number;
  /** Memory of a queue pair beside the receive slots: of the device's library and of the kernel. */
  queueBytes: number;
  /** Room that the device has for completions, and for queue pairs. */
  completionsMax: number;
  queuesMax: number;
}

export const COSTS_FILE = join(packageRoot(), 'test/bench/scale/measured.json');

export function readCosts(file = COSTS_FILE): Costs {
  const costs = JSON.parse(readFileSync(file, 'utf8')) as Costs;
  const names = ['createUs', 'connectUs', 'helloUs', 'pmiUs', 'latencyUs', 'queueBytes'] as const;
  for (const name of [...names, 'completionsMax', 'queuesMax'] as const)
    if (!(costs[name] > 0)) throw new Error(`${file}: ${name} is ${costs[name]}, not above 0`);
  return costs;
}
