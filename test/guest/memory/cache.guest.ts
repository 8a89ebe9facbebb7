/**
 * The conformance suite of monitors and the stale bytes, each monitor over io_uring and over an RDMA device: for
 * the guest, where the module is, and RDMA devices are.
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
import { type Case, caseTests } from '../cases.ts';

const OPEN: Record<string, (slots: number) => Monitor> = {
  dreg: (slots) => new DregMonitor({ slots }),
  userfaultfd: (slots) => new UserfaultfdMonitor({ slots }),
  none: () => new NoneMonitor(),
  naive: (slots) => new NaiveMonitor(slots),
};

function conformance(open: (slots: number) => Monitor): Case[] {
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

/** One for each case, with a channel of its own. */
function casesOf<M extends Mover>(
  make: () => M,
  cases: { name: string; run(channel: M): unknown }[],
  expected?: string,
): Case[] {
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
const MACHINE: Case[] = [
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

function overUring(name: string): Case[] {
  const open = OPEN[name];
  const make = () => new Channel(open(SLOTS));
  return [
    ...(name === 'dreg' || name === 'userfaultfd' ? conformance(open) : []),
    ...casesOf(make, SCENARIOS, name === 'naive' ? 'old' : 'new'),
    ...(name === 'naive' ? [] : casesOf(make, WAYS)),
  ];
}

/** Over an RDMA device, with the memory at either end of READ and WRITE. */
function overVerbs(name: string): Case[] {
  const open = OPEN[name];
  return SIDES.flatMap((side) => {
    const make = () => new VerbsChannel(open(SLOTS), side);
    return [
      ...casesOf(make, MOVER_SCENARIOS, name === 'naive' ? 'old' : 'new'),
      ...(name === 'naive' ? [] : casesOf(make, [...MOVER_WAYS, KEPT])),
    ].map((one) => ({ ...one, name: `${side}: ${one.name}` }));
  });
}

const missing = (error: unknown): error is Error =>
  error instanceof Missing && process.env.CI !== 'true';

for (const name of Object.keys(OPEN)) {
  caseTests(`${name} over io_uring`, overUring(name), missing);
  caseTests(`${name} over verbs`, overVerbs(name), missing);
}
caseTests('machine', MACHINE);
