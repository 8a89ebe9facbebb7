/** Changes that keep the mapping; slots, ring and events; what is asked for wrongly. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { addon } from '../../../native/addon.ts';
import { Ring } from '../../../runtime/memory/domains/ring.ts';
import { bytesAt, helpers, MADV, ok, PAGE, PROT, SYS } from '../../tools/native/helpers.ts';
import type { Case, Scene } from './scene.ts';

const SIXTEEN = 16 * PAGE;
const IORING_OP_MADVISE = 25;
/** Times that a slot is taken and given up while its memory is replaced again and again. */
const ROUNDS = 2000;

/** Advises one page in the middle; the range around it must fire, its neighbours not. */
function advised(scene: Scene, advise: (address: number) => void): void {
  const address = scene.map(SIXTEEN);
  const slot = scene.watch(scene.at(address, 4), 8 * PAGE);
  const before = scene.watch(address, 4 * PAGE);
  const behind = scene.watch(scene.at(address, 12), 4 * PAGE);
  advise(scene.at(address, 6));
  scene.fired(slot);
  scene.quiet(before, behind);
}

function protect(scene: Scene, call: (address: number, protection: number) => void): void {
  const address = scene.map(SIXTEEN);
  const slot = scene.watch(address, SIXTEEN);
  for (const protection of [PROT.read, PROT.none, PROT.readWrite]) call(address, protection);
  call(scene.at(address, 5), PROT.read);
  bytesAt(address, PAGE).fill(2);
  scene.quiet(slot);
  scene.unmap(scene.at(address, 5), PAGE);
  scene.fired(slot);
}

export const KEEPING: Case[] = [
  {
    name: 'madvise(MADV_DONTNEED) of the whole range fires',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(address, SIXTEEN);
      scene.call(SYS.madvise, address, SIXTEEN, MADV.dontNeed);
      scene.fired(slot);
    },
  },
  {
    name: 'madvise(MADV_DONTNEED) of one page fires the range around it',
    run: (scene) =>
      advised(scene, (at) => {
        scene.call(SYS.madvise, at, PAGE, MADV.dontNeed);
      }),
  },
  {
    name: 'madvise(MADV_FREE) fires',
    run: (scene) =>
      advised(scene, (at) => {
        scene.call(SYS.madvise, at, PAGE, MADV.free);
      }),
  },
  {
    name: 'MADV_DONTNEED by an io_uring fires',
    run: (scene) =>
      advised(scene, (address) => {
        const ring = new Ring(4);
        const entry = { priority: 0, fd: -1, position: 0, bufferIndex: 0, userData: 0 };
        const flags = MADV.dontNeed;
        ok(ring.submit({ ...entry, opcode: IORING_OP_MADVISE, address, length: PAGE, flags }));
        ring.wait(10_000);
        assert.equal(
          ring.reap((_number, result) => ok(result)),
          1,
        );
        ring.close();
      }),
  },
  {
    name: 'guard pages (Linux 6.13) fire, but not in userfaultfd, which is not told',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(address, SIXTEEN);
      const answer = helpers().call(SYS.madvise, address, PAGE, MADV.guardInstall);
      if (answer === -constants.errno.EINVAL) return;
      ok(answer);
      scene.call(SYS.madvise, address, PAGE, MADV.guardRemove);
      assert.equal(bytesAt(address, PAGE)[0], 0, 'the page is another');
      if (scene.monitor.name === 'userfaultfd') scene.quiet(slot);
      else scene.fired(slot);
    },
  },
  {
    name: 'mprotect to read-only, to none and back does not fire',
    run: (scene) =>
      protect(scene, (address, protection) => {
        scene.call(SYS.mprotect, address, PAGE, protection);
      }),
  },
  {
    name: 'pkey_mprotect does not fire',
    run: (scene) =>
      protect(scene, (address, protection) => {
        scene.call(SYS.pkeyMprotect, address, PAGE, protection, -1);
      }),
  },
  {
    name: 'fork, and writing while the child lives, does not fire',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(address, SIXTEEN);
      const child = ok(helpers().forkIdle());
      ok(helpers().killAndWait(child));
      scene.quiet(slot);
      scene.unmap(address, PAGE);
      scene.fired(slot);
    },
  },
  {
    name: 'a child that is executed gets no descriptor of it, and its end does not fire',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(address, SIXTEEN);
      const fds = (pid: string) => {
        const { stdout } = spawnSync('sh', ['-c', `ls -l /proc/${pid}/fd`], { encoding: 'utf8' });
        return /userfaultfd|\/dev\/dreg|eventfd/.test(stdout);
      };
      assert.ok(fds(String(process.pid)), 'the owner has its descriptors');
      assert.ok(!fds('self'), 'the child has one');
      scene.quiet(slot);
      scene.unmap(address, PAGE);
      scene.fired(slot);
    },
  },
  {
    name: '/proc/self/clear_refs does not fire',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(address, SIXTEEN);
      writeFileSync('/proc/self/clear_refs', '4');
      bytesAt(address, PAGE).fill(3);
      scene.quiet(slot);
    },
  },
  {
    name: 'using the memory does not fire, and nobody waits',
    run(scene) {
      const address = scene.map(64 * PAGE, { untouched: true });
      scene.unmap(scene.at(address, 40), PAGE);
      const slot = scene.watch(address, 40 * PAGE);
      bytesAt(address, 20 * PAGE).fill(4);
      // The kernel's own access, to touched and untouched pages.
      const fd = scene.memfd(40 * PAGE);
      assert.equal(scene.call(1, fd, address, 40 * PAGE), 40 * PAGE);
      scene.quiet(slot);
    },
  },
  {
    name: 'a slot fires once, and again after it was given up and taken anew',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(address, SIXTEEN);
      const before = scene.delta;
      scene.call(SYS.madvise, address, PAGE, MADV.dontNeed);
      scene.call(SYS.madvise, scene.at(address, 1), PAGE, MADV.dontNeed);
      scene.fired(slot);
      assert.equal((scene.delta - before) | 0, 1);
      assert.equal(scene.monitor.unmonitor(slot), 1);
      assert.equal(scene.monitor.flags[slot], 1);
      assert.equal(scene.monitor.monitor(slot, address, SIXTEEN), 0);
      scene.quiet(slot);
      scene.call(SYS.madvise, address, PAGE, MADV.dontNeed);
      scene.fired(slot);
      assert.equal((scene.delta - before) | 0, 2);
    },
  },
  {
    name: 'a slot that was given up does not fire',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(address, SIXTEEN);
      assert.equal(scene.monitor.unmonitor(slot), 0);
      const before = scene.delta;
      scene.unmap(address, SIXTEEN);
      scene.quiet(slot);
      assert.equal(scene.delta, before);
    },
  },
  {
    name: 'giving up while it fires: each time it is told whether it had fired, exactly',
    run(scene) {
      const { monitor } = scene;
      const address = scene.map(PAGE);
      const before = scene.delta;
      const words = new Int32Array(2);
      const churn = helpers().threadChurn(address, PAGE, words, Infinity);
      let told = 0;
      try {
        for (let round = 0; round < ROUNDS || told === 0; round++) {
          assert.ok(!helpers().threadDone(churn), 'the other thread fails');
          assert.equal(monitor.monitor(0, address, PAGE), 0);
          const flag = monitor.flags[0];
          const fired = monitor.unmonitor(0);
          assert.ok(fired >= flag, 'a flag is set, and the slot said not to have fired');
          assert.equal(fired, monitor.flags[0]);
          told += fired;
        }
      } finally {
        Atomics.store(words, 1, 1);
        ok(helpers().threadJoin(churn));
      }
      scene.settle();
      assert.equal((scene.delta - before) | 0, told);
    },
  },
  {
    name: 'every slot in use, all fired at once: nothing is lost, and all can be used again',
    run(scene) {
      const { monitor } = scene;
      const pages = monitor.slots;
      const address = scene.map(pages * PAGE);
      for (let slot = 0; slot < pages; slot++) scene.watch(scene.at(address, slot), PAGE);
      const before = scene.delta;
      scene.unmap(address, pages * PAGE);
      scene.settle();
      assert.equal((scene.delta - before) | 0, pages);
      const named = Uint32Array.from(monitor.ring).sort();
      assert.ok(named.every((slot, i) => slot === i));
      const fired = new Uint8Array(pages);
      assert.equal(monitor.unmonitorBatch(named, pages, fired), pages);
      assert.ok(fired.every((flag) => flag === 1));
      const again = scene.map(PAGE);
      assert.equal(monitor.monitor(0, again, PAGE), 0);
      scene.unmap(again, PAGE);
      scene.fired(0);
    },
  },
  {
    name: 'its descriptor wakes a sleeper, and is quiet when it was drained',
    run(scene) {
      const { monitor } = scene;
      const address = scene.map(SIXTEEN);
      scene.watch(address, PAGE);
      scene.watch(scene.at(address, 1), PAGE);
      const readable = (milliseconds: number) => addon().pollReadable(monitor.wakeFd, milliseconds);
      assert.equal(readable(0), 0);
      scene.unmap(address, PAGE);
      assert.equal(readable(10_000), 1);
      scene.call(SYS.madvise, scene.at(address, 1), PAGE, MADV.dontNeed);
      scene.settle();
      const reasons = new Float64Array(7);
      monitor.drain(reasons);
      assert.deepEqual([...reasons], [0, 1, 1, 0, 0, 0, 0]);
    },
  },
  {
    name: 'a slot in use, a slot that there is not, a slot that is free: errors, nothing changed',
    run(scene) {
      const { monitor } = scene;
      const { EBUSY, ENOENT, ERANGE } = constants.errno as typeof constants.errno & {
        ERANGE: number;
      };
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(address, PAGE);
      assert.equal(monitor.monitor(slot, scene.at(address, 1), PAGE), -EBUSY);
      assert.equal(monitor.monitor(monitor.slots, address, PAGE), -ERANGE);
      assert.equal(monitor.unmonitor(monitor.slots), -ERANGE);
      assert.equal(monitor.unmonitor(slot + 1), -ENOENT);
      scene.unmap(scene.at(address, 1), PAGE);
      scene.quiet(slot);
      scene.unmap(address, PAGE);
      scene.fired(slot);
    },
  },
  {
    name: 'a range with a hole: watched as a whole, or refused',
    run(scene) {
      const address = scene.map(SIXTEEN);
      scene.unmap(scene.at(address, 4), PAGE);
      if (scene.monitor.name === 'userfaultfd') return scene.refused(address, SIXTEEN);
      const slot = scene.watch(address, SIXTEEN);
      scene.unmap(scene.at(address, 8), PAGE);
      scene.fired(slot);
    },
  },
  {
    name: 'after close the memory is as it was, and unmapping it waits for nobody',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(address, SIXTEEN);
      scene.monitor.close();
      scene.monitor.close();
      scene.unmap(address, SIXTEEN);
      assert.equal(scene.monitor.flags[slot], 0);
    },
  },
];
