#!/usr/bin/env node
/** `npm run demo:stale`: what a stale registration does, and what a monitor does about it. */
import { parseArgs } from 'node:util';
import { errnoName, MpiError } from '../../../runtime/error.ts';
import type { Monitor } from '../../../runtime/memory/monitor.ts';
import { MONITORS, type MonitorName, openMonitor } from '../../../runtime/memory/monitors/open.ts';
import { NaiveMonitor } from '../naive.ts';
import { Channel } from './channel.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';

const NAMES = ['naive', ...MONITORS] as const;
const USAGE = `Usage: demo:stale [--monitor ${NAMES.join('|')}] [--json]

Memory is registered, sent, unmapped, mapped again with new content, and sent again. Without
--monitor: with a cache that nobody tells of it ('naive') beside each monitor that works here.`;

function open(name: string): Monitor {
  return name === 'naive' ? new NaiveMonitor() : openMonitor(name as MonitorName);
}

async function outcomeOf(name: string, scenario: Scenario): Promise<string> {
  const channel = new Channel(open(name));
  try {
    return await scenario.run(channel);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    channel.close();
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
      console.log(`(${name}: not here${error.errno ? `, ${errnoName(error.errno)}` : ''})`);
      return false;
    }
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { monitor: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  if (values.help) return console.log(USAGE);
  if (values.monitor !== undefined && !(NAMES as readonly string[]).includes(values.monitor)) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  const names = choose(values.monitor);
  if (!values.json) console.log('The bytes that came after the memory was replaced:\n');
  for (const scenario of SCENARIOS) {
    if (!values.json) console.log(scenario.name);
    for (const name of names) {
      const outcome = await outcomeOf(name, scenario);
      if (values.json)
        console.log(JSON.stringify({ scenario: scenario.name, monitor: name, outcome }));
      else console.log(`  ${name.padEnd(12)} ${outcome === 'old' ? 'OLD: wrong' : outcome}`);
    }
  }
}

await main();
