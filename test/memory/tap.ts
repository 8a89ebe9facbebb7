#!/usr/bin/env node
/**
 * `node tap.js MONITOR`: the conformance suite and the stale bytes, as a program that prints TAP.
 * For the guest, where the module is.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { MpiError } from '../../runtime/error.ts';
import { UringDomain } from '../../runtime/memory/domains/uring.ts';
import type { Monitor } from '../../runtime/memory/monitor.ts';
import { DregMonitor } from '../../runtime/memory/monitors/dreg.ts';
import { NoneMonitor } from '../../runtime/memory/monitors/none.ts';
import { openMonitor } from '../../runtime/memory/monitors/open.ts';
import { UserfaultfdMonitor } from '../../runtime/memory/monitors/userfaultfd.ts';
import { Missing, Scene } from './monitors/scene.ts';
import { CASES, SLOTS } from './monitors/suite.ts';
import { NaiveMonitor } from './naive.ts';
import { Channel } from './stale/channel.ts';
import { WAYS } from './stale/javascript.ts';
import { SCENARIOS } from './stale/scenarios.ts';

const OPEN: Record<string, (slots: number) => Monitor> = {
  dreg: (slots) => new DregMonitor({ slots }),
  userfaultfd: (slots) => new UserfaultfdMonitor({ slots }),
  none: () => new NoneMonitor(),
  naive: (slots) => new NaiveMonitor(slots),
};

interface Claim {
  name: string;
  check(): void | Promise<void>;
}

function conformance(open: (slots: number) => Monitor): Claim[] {
  return CASES.map(({ name, run }) => ({
    name,
    check() {
      const scene = new Scene(open(SLOTS));
      try {
        run(scene);
      } finally {
        scene.end();
      }
    },
  }));
}

function stale(open: (slots: number) => Monitor, expected: string): Claim[] {
  return SCENARIOS.map((scenario) => ({
    name: `${expected} bytes: ${scenario.name}`,
    async check() {
      const channel = new Channel(open(SLOTS));
      try {
        const outcome = await scenario.run(channel);
        if (outcome !== expected) throw new Error(`the ${outcome} bytes came`);
      } finally {
        channel.close();
      }
    },
  }));
}

function ways(open: (slots: number) => Monitor): Claim[] {
  return WAYS.map((way) => ({
    name: way.name,
    async check() {
      const channel = new Channel(open(SLOTS));
      try {
        await way.run(channel);
      } finally {
        channel.close();
      }
    },
  }));
}

/** What a whole machine may forbid: only where nobody else is disturbed. */
const MACHINE: Claim[] = [
  {
    name: 'kernel.io_uring_disabled=2: ERR_UNSUPPORTED',
    check() {
      const file = '/proc/sys/kernel/io_uring_disabled';
      writeFileSync(file, '2');
      try {
        assert.throws(
          () => new UringDomain(),
          (error) => error instanceof MpiError && error.code === 'ERR_UNSUPPORTED',
        );
      } finally {
        writeFileSync(file, '0');
      }
      new UringDomain().attach().close();
    },
  },
  {
    name: 'without the module: ERR_UNSUPPORTED by name, userfaultfd by auto',
    check() {
      assert.throws(
        () => openMonitor('dreg'),
        (error) => error instanceof MpiError && error.code === 'ERR_UNSUPPORTED',
      );
      const monitor = openMonitor('auto');
      assert.equal(monitor.name, 'userfaultfd');
      monitor.close();
    },
  },
];

function claimsOf(name: string): Claim[] {
  if (name === 'machine') return MACHINE;
  const open = OPEN[name];
  if (!open) throw new MpiError('ERR_ARG', `there is no monitor "${name}"`);
  return [
    ...(name === 'dreg' || name === 'userfaultfd' ? conformance(open) : []),
    ...stale(open, name === 'naive' ? 'old' : 'new'),
    ...(name === 'naive' ? [] : ways(open)),
  ];
}

async function main(name: string): Promise<void> {
  const claims = claimsOf(name);
  console.log(`1..${claims.length}`);
  for (const [i, claim] of claims.entries()) {
    try {
      await claim.check();
      console.log(`ok ${i + 1} - ${claim.name}`);
    } catch (error) {
      if (error instanceof Missing && process.env.CI !== 'true') {
        console.log(`ok ${i + 1} - ${claim.name} # SKIP ${error.message}`);
        continue;
      }
      process.exitCode = 1;
      console.log(`not ok ${i + 1} - ${claim.name}`);
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      for (const line of text.split('\n')) console.log(`# ${line}`);
    }
  }
}

await main(process.argv[2] ?? '');
