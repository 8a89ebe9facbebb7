#!/usr/bin/env node
/** `npm run demo:stale`: what a stale registration does, and what a monitor does about it. */
import { errnoName, MpiError } from '../../../runtime/base/error.ts';
import type { Monitor } from '../../../runtime/memory/monitor.ts';
import { MONITORS, type MonitorName, openMonitor } from '../../../runtime/memory/monitors/open.ts';
import { VerbsDevice } from '../../../transports/verbs/device/device.ts';
import { oneOf, readCommandLine } from '../../tools/command-line.ts';
import { Channel } from './channel.ts';
import type { Mover } from './mover.ts';
import { NaiveMonitor } from './naive.ts';
import { MOVER_SCENARIOS, SCENARIOS, type Scenario } from './scenarios.ts';
import { SIDES, VerbsChannel } from './verbs-channel.ts';

// Nothing here puts guard pages into the memory that it registers.
process.env.DREG_UFFD_GUARDS ??= 'trust';

const NAMES = ['naive', ...MONITORS] as const;
const TRANSPORTS = ['uring', 'verbs'] as const;
const HELP = `usage: npm run demo:stale -- [options]

Memory is registered, sent, unmapped, mapped again with new content, and sent again.

  --monitor ${NAMES.join('|')}
                     one monitor only; otherwise a cache that nobody tells of anything ('naive')
                     beside each monitor that works here
  --transport uring  (the default) sent through a socket by io_uring, from fixed buffers
  --transport verbs  by RDMA READ and WRITE, the memory at the initiator and at the peer
  --json             print one JSON object a line
  --help
`;

function open(name: string): Monitor {
  return name === 'naive' ? new NaiveMonitor() : openMonitor(name as MonitorName);
}

/** A scenario together with what it runs over. */
interface Show {
  name: string;
  run(monitor: Monitor): Promise<string>;
}

function show<M extends Mover>(
  scenario: Scenario<M>,
  make: (monitor: Monitor) => M,
  prefix = '',
): Show {
  return {
    name: `${prefix}${scenario.name}`,
    async run(monitor) {
      const channel = make(monitor);
      try {
        return await scenario.run(channel);
      } finally {
        channel.close();
      }
    },
  };
}

const SHOWS: Record<(typeof TRANSPORTS)[number], () => Show[]> = {
  uring: () => SCENARIOS.map((scenario) => show(scenario, (monitor) => new Channel(monitor))),
  verbs: () => {
    // Says what is missing, once.
    VerbsDevice.open().close();
    return SIDES.flatMap((side) =>
      MOVER_SCENARIOS.map((scenario) =>
        show(scenario, (monitor) => new VerbsChannel(monitor, side), `${side}: `),
      ),
    );
  },
};

async function outcomeOf(name: string, shown: Show): Promise<string> {
  try {
    return await shown.run(open(name));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The monitors to show: the one that was asked for, or all that work here. */
function choose(wanted: string | undefined): string[] {
  if (wanted !== undefined) return [wanted];
  return NAMES.filter((name) => {
    try {
      open(name).close();
      return true;
    } catch (error) {
      if (!(error instanceof MpiError)) throw error;
      console.error(`(${name}: not here${error.errno ? `, ${errnoName(error.errno)}` : ''})`);
      return false;
    }
  });
}

async function run(shows: Show[], names: string[], json: boolean): Promise<void> {
  if (!json) console.log('The bytes that came after the memory was replaced:\n');
  for (const shown of shows) {
    if (!json) console.log(shown.name);
    for (const monitor of names) {
      const outcome = await outcomeOf(monitor, shown);
      if (json) console.log(JSON.stringify({ scenario: shown.name, monitor, outcome }));
      else console.log(`  ${monitor.padEnd(12)} ${outcome === 'old' ? 'OLD: wrong' : outcome}`);
    }
  }
}

async function main(): Promise<void> {
  const settings = readCommandLine({
    name: 'demo:stale',
    help: HELP,
    options: {
      transport: { type: 'string', default: 'uring' },
      monitor: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
    read: ({ transport, monitor, json }) => ({
      transport: oneOf(TRANSPORTS, transport, 'transport'),
      monitor: monitor === undefined ? undefined : oneOf(NAMES, monitor, 'monitor'),
      json,
    }),
  });
  if (settings === null) return;
  const { transport, monitor, json } = settings;
  try {
    await run(SHOWS[transport](), choose(monitor), json);
  } catch (error) {
    if (!(error instanceof MpiError)) throw error;
    console.error(`demo:stale --transport ${transport}: ${error.message}`);
    process.exitCode = 1;
  }
}

await main();
