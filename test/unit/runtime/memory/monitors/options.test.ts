/** What is particular to one monitor, and how monitors are chosen. */
import { constants } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { DregMonitor } from '../../../../../runtime/memory/monitors/dreg.ts';
import { NoneMonitor } from '../../../../../runtime/memory/monitors/none.ts';
import {
  MONITORS,
  type MonitorName,
  openMonitor,
} from '../../../../../runtime/memory/monitors/open.ts';
import { UserfaultfdMonitor } from '../../../../../runtime/memory/monitors/userfaultfd.ts';
import { HUGE, Missing, Scene } from '../../../../conformance/monitors/scene.ts';
import { helpers, MADV, MAP, PAGE, SYS } from '../../../../tools/native/helpers.ts';
import { needUserfaultfdAndUring } from '../../../../tools/needs.ts';

needUserfaultfdAndUring();

const { EBUSY } = constants.errno;

const failure = (code: string) => expect.objectContaining({ code });

test('userfaultfd watches memory of files where the program vouches for them', () => {
  const scene = new Scene(new UserfaultfdMonitor({ slots: 8, files: 'trust' }));
  const address = scene.map(8 * PAGE, { fd: scene.memfd(8 * PAGE), flags: MAP.shared });
  const slot = scene.watch(address, 8 * PAGE);
  scene.unmap(scene.at(address, 2), PAGE);
  scene.fired(slot);
  scene.end();
});

test('… and huge pages, of which it watches whole ones', (context) => {
  for (const mappingsByText of [false, true]) {
    const scene = new Scene(new UserfaultfdMonitor({ slots: 8, files: 'trust', mappingsByText }));
    try {
      scene.hugePages(3);
      const address = scene.map(3 * HUGE, { flags: MAP.private | MAP.anonymous | MAP.hugetlb });
      const inside = scene.watch(scene.at(address, 3), 2 * PAGE);
      const last = scene.watch(address + 2 * HUGE, HUGE);
      scene.unmap(address + HUGE, HUGE);
      scene.quiet(inside, last);
      scene.unmap(address, HUGE);
      scene.fired(inside);
      expect(scene.monitor.unmonitor(last)).toBe(0);
    } catch (error) {
      if (!(error instanceof Missing) || process.env.CI === 'true') throw error;
      context.skip(error.message);
    } finally {
      scene.end();
    }
  }
});

test('memory under another userfaultfd is refused, and the other goes on', () => {
  const first = new Scene(new UserfaultfdMonitor({ slots: 8 }));
  const second = new UserfaultfdMonitor({ slots: 8 });
  const address = first.map(8 * PAGE);
  const slot = first.watch(first.at(address, 2), 2 * PAGE);
  expect(second.monitor(0, address, 8 * PAGE)).toBe(-EBUSY);
  expect(second.monitor(0, first.at(address, 4), 4 * PAGE)).toBe(0);
  second.close();
  first.unmap(first.at(address, 2), PAGE);
  first.fired(slot);
  first.end();
});

test('a kernel that has guard pages is none for userfaultfd, unless it is told that there are none', () => {
  const trusted = process.env.DREG_UFFD_GUARDS;
  delete process.env.DREG_UFFD_GUARDS;
  onTestFinished(() => {
    process.env.DREG_UFFD_GUARDS = trusted;
  });
  const open = () => new UserfaultfdMonitor({ slots: 8 }).close();
  new UserfaultfdMonitor({ slots: 8, guards: 'trust' }).close();
  // Zero bytes of any advice that the kernel knows are well advised.
  const has = helpers().call(SYS.madvise, 0, 0, MADV.guardInstall) === 0;
  if (has) expect(open).toThrowError(failure('ERR_UNSUPPORTED'));
  else open();
});

test('with the fence always, every look fences', () => {
  for (const fence of ['auto', 'always'] as const) {
    const monitor = new UserfaultfdMonitor({ slots: 8, fence });
    expect(monitor.fenceAlways).toBe(fence === 'always');
    monitor.close();
  }
});

test('a fence after close returns', () => {
  const monitor = new UserfaultfdMonitor({ slots: 8 });
  monitor.close();
  monitor.fence();
});

test('slots must be a power of two within the limit', () => {
  for (const slots of [0, 3, -8, 1.5, Number.NaN, 2 ** 17])
    expect(() => new UserfaultfdMonitor({ slots })).toThrowError(failure('ERR_ARG'));
  for (const slots of [0, 3, 2 ** 21])
    expect(() => new DregMonitor({ slots, device: '/dev/null' })).toThrowError(failure('ERR_ARG'));
});

test('a device that is none, and one that is missing: ERR_UNSUPPORTED', () => {
  for (const device of ['/dev/null', '/dev/dreg-that-is-not'])
    expect(() => new DregMonitor({ device })).toThrowError(failure('ERR_UNSUPPORTED'));
});

test('auto tells why it passed over a monitor, and gives no more slots than there can be', () => {
  const rejected: string[] = [];
  const monitor = openMonitor('auto', {
    slots: 2 ** 20,
    rejected: (name, why) => rejected.push(`${name} ${why.code}`),
  });
  expect(MONITORS).toContain(monitor.name);
  expect(rejected).toEqual(monitor.name === 'dreg' ? [] : ['dreg ERR_UNSUPPORTED']);
  if (monitor.name === 'userfaultfd') expect(monitor.slots).toBe(2 ** 16);
  monitor.close();
});

test('a name that there is not: ERR_ARG', () => {
  expect(() => openMonitor('naive' as MonitorName)).toThrowError(failure('ERR_ARG'));
});

test('none watches nothing, so nothing may be cached with it', () => {
  const monitor = new NoneMonitor();
  expect(monitor.caches).toBe(false);
  expect(monitor.wakeFd).toBe(-1);
  monitor.close();
});
