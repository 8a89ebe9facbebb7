#!/usr/bin/env node
/**
 * `node tap.js MONITOR [verbs]`: the conformance suite and the stale bytes, as a program that prints
 * TAP. For the guest, where the module is, and RDMA devices are.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { MpiError } from '../../../runtime/base/error.ts';
import { UringDomain } from '../../../runtime/memory/domains/uring.ts';
import type { Monitor } from '../../../runtime/memory/monitor.ts';
import { DregMonitor } from '../../../runtime/memory/monitors/dreg.ts';
import { NoneMonitor } from '../../../runtime/memory/monitors/none.ts';
import { openMonitor } from '../../../runtime/memory/monitors/open.ts';
import { UserfaultfdMonitor } from '../../../runtime/memory/monitors/userfaultfd.ts';
import { Channel } from '../../conformance/domains/channel.ts';
import { MOVER_WAYS, WAYS } from '../../conformance/domains/javascript.ts';
import { KEPT } from '../../conformance/domains/kept.ts';
import type { Mover } from '../../conformance/domains/mover.ts';
import { NaiveMonitor } from '../../conformance/domains/naive.ts';
import { MOVER_SCENARIOS, SCENARIOS } from '../../conformance/domains/scenarios.ts';
import { SIDES, VerbsChannel } from '../../conformance/domains/verbs-channel.ts';
import { Missing, Scene } from '../../conformance/monitors/scene.ts';
import { CASES, SLOTS } from '../../conformance/monitors/suite.ts';
import { type Claim, runClaims } from '../../tools/claims.ts';

const OPEN: Record<string, (slots: number) => Monitor> = {
  dreg: (slots) => new DregMonitor({ slots }),
  userfaultfd: (slots) => new UserfaultfdMonitor({ slots }),
  none: () => new NoneMonitor(),
  naive: (slots) => new NaiveMonitor(slots),
};

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

/** One claim for each case, with a channel of its own. */
function claims<M extends Mover>(
  make: () => M,
  cases: { name: string; run(channel: M): unknown }[],
  expected?: string,
): Claim[] {
  return cases.map(({ name, run }) => ({
    name: expected === undefined ? name : `${expected} bytes: ${name}`,
    async check() {
      const channel = make();
      try {
        const outcome = await run(channel);
        if (outcome !== expected) throw new Error(`the ${outcome} bytes came`);
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
  const open = monitorOf(name);
  const make = () => new Channel(open(SLOTS));
  return [
    ...(name === 'dreg' || name === 'userfaultfd' ? conformance(open) : []),
    ...claims(make, SCENARIOS, name === 'naive' ? 'old' : 'new'),
    ...(name === 'naive' ? [] : claims(make, WAYS)),
  ];
}

/** Over an RDMA device, with the memory at either end of READ and WRITE. */
function verbsClaimsOf(name: string): Claim[] {
  const open = monitorOf(name);
  return SIDES.flatMap((side) => {
    const make = () => new VerbsChannel(open(SLOTS), side);
    return [
      ...claims(make, MOVER_SCENARIOS, name === 'naive' ? 'old' : 'new'),
      ...(name === 'naive' ? [] : claims(make, [...MOVER_WAYS, KEPT])),
    ].map((claim) => ({ ...claim, name: `${side}: ${claim.name}` }));
  });
}

function monitorOf(name: string): (slots: number) => Monitor {
  const open = OPEN[name];
  if (!open) throw new MpiError('ERR_ARG', `there is no monitor "${name}"`);
  return open;
}

const [name = '', domain = 'uring'] = process.argv.slice(2);
await runClaims(
  domain === 'verbs' ? verbsClaimsOf(name) : claimsOf(name),
  (error) => error instanceof Missing && process.env.CI !== 'true',
);
