/** Mappings that go away, move or are replaced. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { addon, packageRoot } from '../../../native/addon.ts';
import {
  bytesAt,
  helpers,
  IPC,
  MADV,
  MAP,
  MREMAP,
  map,
  ok,
  PAGE,
  PROT,
  SHM_REMAP,
  SYS,
} from '../../tools/native/helpers.ts';
import { type Case, HUGE, Missing, type Scene } from './scene.ts';

const SIXTEEN = 16 * PAGE;

/** A process of its own: whether the break can grow is decided when a process begins. */
const BRK_PROGRAM = join(packageRoot(), 'dist/programs/unit/runtime/memory/programs/brk.js');
/** Its status where the break cannot grow. */
const NO_ROOM = 75;
const BRK_ATTEMPTS = 20;

function moved(scene: Scene, flags: number): void {
  const address = scene.map(SIXTEEN);
  const slot = scene.watch(address, SIXTEEN);
  const target = scene.map(SIXTEEN, { untouched: true });
  scene.call(SYS.mremap, address, SIXTEEN, SIXTEEN, MREMAP.mayMove | MREMAP.fixed | flags, target);
  scene.fired(slot);
}

function file(scene: Scene, change: (fd: number, address: number) => void): void {
  const fd = scene.memfd(SIXTEEN);
  const address = scene.map(SIXTEEN, { fd, flags: MAP.shared });
  const slot = scene.watchFile(address, SIXTEEN);
  change(fd, address);
  if (slot !== undefined) scene.fired(slot);
}

/** Shared anonymous memory: of a file that has no name. */
function nameless(scene: Scene, change: (address: number) => void): void {
  const address = scene.map(SIXTEEN, { flags: MAP.shared | MAP.anonymous });
  const slot = scene.watchFile(address, SIXTEEN);
  change(address);
  if (slot !== undefined) scene.fired(slot);
}

const HUGE_PRIVATE = MAP.private | MAP.anonymous | MAP.hugetlb;

/** Takes the pages out of the file beneath a mapping, and makes it as long as it was. */
function truncateMapped(address: number, length: number): void {
  const range = [address, address + length].map((end) => end.toString(16)).join('-');
  let fd: number;
  try {
    fd = openSync(`/proc/self/map_files/${range}`, 'r+');
  } catch {
    throw new Missing('this needs root, for /proc/self/map_files');
  }
  ftruncateSync(fd, 0);
  ftruncateSync(fd, length);
  closeSync(fd);
}

export const UNMAPPING: Case[] = [
  {
    name: 'munmap of the range fires',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(address, SIXTEEN);
      const before = scene.delta;
      scene.unmap(address, SIXTEEN);
      scene.fired(slot);
      assert.equal((scene.delta - before) | 0, 1);
      assert.equal(scene.monitor.ring[before & (scene.monitor.slots - 1)], slot);
      assert.equal(scene.monitor.unmonitor(slot), 1);
    },
  },
  {
    name: 'munmap in the middle fires the ranges that it touches, and only those',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const whole = scene.watch(address, SIXTEEN);
      const left = scene.watch(address, 6 * PAGE);
      const middle = scene.watch(scene.at(address, 5), 4 * PAGE);
      const inner = scene.watch(scene.at(address, 6), PAGE);
      const right = scene.watch(scene.at(address, 8), 8 * PAGE);
      scene.unmap(scene.at(address, 6), 2 * PAGE);
      scene.fired(whole, middle, inner);
      scene.quiet(left, right);
      scene.unmap(scene.at(address, 15), PAGE);
      scene.fired(right);
      scene.quiet(left);
    },
  },
  {
    name: 'munmap just before and just behind the range does not fire',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(scene.at(address, 4), 4 * PAGE);
      scene.unmap(scene.at(address, 3), PAGE);
      scene.unmap(scene.at(address, 8), PAGE);
      scene.quiet(slot);
      scene.unmap(scene.at(address, 7), PAGE);
      scene.fired(slot);
    },
  },
  {
    name: 'two ranges on one page: both fire; giving one up leaves the other',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const one = scene.watch(address, PAGE);
      const other = scene.watch(address, PAGE);
      const both = scene.watch(address, 2 * PAGE);
      assert.equal(scene.monitor.unmonitor(one), 0);
      assert.equal(scene.monitor.unmonitor(both), 0);
      scene.unmap(address, PAGE);
      scene.fired(other);
      scene.quiet(one, both);
    },
  },
  {
    name: 'mmap(MAP_FIXED) over the range fires',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(address, SIXTEEN);
      map(4 * PAGE, { address: scene.at(address, 4) });
      scene.fired(slot);
    },
  },
  { name: 'mremap that moves fires', run: (scene) => moved(scene, 0) },
  { name: 'mremap(MREMAP_DONTUNMAP) fires', run: (scene) => moved(scene, MREMAP.dontUnmap) },
  {
    name: 'mremap that shrinks fires what is cut off',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const kept = scene.watch(address, 8 * PAGE);
      const cut = scene.watch(scene.at(address, 8), 4 * PAGE);
      scene.call(SYS.mremap, address, SIXTEEN, 8 * PAGE, 0);
      scene.fired(cut);
      scene.quiet(kept);
    },
  },
  {
    name: 'mremap that grows in place does not fire',
    run(scene) {
      const address = scene.map(SIXTEEN);
      scene.unmap(scene.at(address, 8), 8 * PAGE);
      const slot = scene.watch(address, 8 * PAGE);
      assert.equal(scene.call(SYS.mremap, address, 8 * PAGE, SIXTEEN, 0), address);
      scene.quiet(slot);
      scene.unmap(address, PAGE);
      scene.fired(slot);
    },
  },
  {
    name: 'mremap(MREMAP_FIXED) of something else onto the range fires',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(address, SIXTEEN);
      const other = scene.map(SIXTEEN);
      const flags = MREMAP.mayMove | MREMAP.fixed;
      scene.call(SYS.mremap, other, SIXTEEN, SIXTEEN, flags, address);
      scene.fired(slot);
    },
  },
  {
    name: 'brk that shrinks and grows again fires',
    run(scene) {
      for (let attempt = 0; attempt < BRK_ATTEMPTS; attempt++) {
        const words = [BRK_PROGRAM, scene.monitor.name];
        const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
        if (status === 0) return;
        assert.equal(status, NO_ROOM, stderr);
      }
      throw new Error('in no process was there room behind the heap');
    },
  },
  {
    name: 'a child that shares the memory (vfork) unmaps: fires',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(address, SIXTEEN);
      ok(helpers().vforkUnmap(address, SIXTEEN));
      scene.fired(slot);
    },
  },
  {
    name: 'another thread unmaps: fires',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(address, SIXTEEN);
      ok(helpers().threadJoin(helpers().threadCall(SYS.munmap, address, SIXTEEN)));
      scene.fired(slot);
    },
  },
  {
    name: 'a file is truncated, by whomever: fires, or is not watched',
    run: (scene) => file(scene, (fd) => ftruncateSync(fd, 0)),
  },
  {
    name: 'another process truncates a file: fires, or is not watched',
    run: (scene) =>
      file(scene, (fd) => {
        const path = `/proc/${process.pid}/fd/${fd}`;
        const { status, stderr } = spawnSync('sh', ['-c', `: >${path}`], { encoding: 'utf8' });
        assert.equal(status, 0, stderr);
        assert.equal(fstatSync(fd).size, 0);
      }),
  },
  {
    name: 'a mapped file is closed: does not fire, unmapping it then does',
    run(scene) {
      const fd = ok(addon().segmentCreate('dreg-mpi-test', SIXTEEN));
      const address = scene.map(SIXTEEN, { fd, flags: MAP.shared });
      const slot = scene.watchFile(address, SIXTEEN);
      closeSync(fd);
      if (slot === undefined) return;
      scene.quiet(slot);
      scene.unmap(address, SIXTEEN);
      scene.fired(slot);
    },
  },
  {
    name: 'a hole is punched into a file: fires, or is not watched',
    run: (scene) =>
      file(scene, (fd) => {
        ok(addon().segmentRelease(fd, 4 * PAGE, 4 * PAGE));
      }),
  },
  {
    name: 'madvise(MADV_REMOVE) on a file: fires, or is not watched',
    run: (scene) =>
      file(scene, (_fd, address) => {
        scene.call(SYS.madvise, address, 4 * PAGE, MADV.remove);
      }),
  },
  {
    name: 'System V memory, detached: fires, or is not watched',
    run(scene) {
      const address = ok(helpers().shmAttach(SIXTEEN, 0, 0));
      bytesAt(address, SIXTEEN).fill(1);
      const slot = scene.watchFile(address, SIXTEEN);
      ok(helpers().shmDetach(address));
      if (slot !== undefined) scene.fired(slot);
    },
  },
  {
    name: 'System V memory, removed (IPC_RMID) and still attached: does not fire',
    run(scene) {
      const id = scene.call(SYS.shmget, IPC.private, SIXTEEN, IPC.create | 0o600);
      try {
        const address = scene.call(SYS.shmat, id, 0, 0);
        bytesAt(address, SIXTEEN).fill(1);
        const slot = scene.watchFile(address, SIXTEEN);
        scene.call(SYS.shmctl, id, IPC.remove, 0);
        if (slot !== undefined) scene.quiet(slot);
        assert.equal(bytesAt(address, SIXTEEN)[PAGE], 1);
        ok(helpers().shmDetach(address));
        if (slot !== undefined) scene.fired(slot);
      } finally {
        // Gone already, unless the case has failed.
        helpers().call(SYS.shmctl, id, IPC.remove, 0);
      }
    },
  },
  {
    name: 'shmat(SHM_REMAP) over the range fires, but not in userfaultfd, which is not told',
    run(scene) {
      const address = scene.map(SIXTEEN);
      const slot = scene.watch(address, SIXTEEN);
      assert.equal(ok(helpers().shmAttach(SIXTEEN, address, SHM_REMAP)), address);
      if (scene.monitor.name === 'userfaultfd') scene.quiet(slot);
      else scene.fired(slot);
    },
  },
  {
    name: 'anonymous shared memory, unmapped: fires, or is not watched',
    run: (scene) =>
      nameless(scene, (address) => {
        scene.unmap(scene.at(address, 3), PAGE);
      }),
  },
  {
    name: 'anonymous shared memory, removed by a forked child: fires, or is not watched',
    run: (scene) =>
      nameless(scene, (address) => {
        ok(helpers().forkCall(SYS.madvise, address, 4 * PAGE, MADV.remove));
      }),
  },
  {
    name: 'anonymous shared memory, remap_file_pages(2): fires, or is not watched',
    run: (scene) =>
      nameless(scene, (address) => {
        scene.call(SYS.remapFilePages, address, PAGE, 0, 1, 0);
      }),
  },
  {
    name: 'anonymous shared memory, truncated by /proc/self/map_files: fires, or is not watched',
    run: (scene) => nameless(scene, (address) => truncateMapped(address, SIXTEEN)),
  },
  {
    name: 'huge pages (hugetlb), unmapped: fires, or is not watched; a range inside one page, too',
    run(scene) {
      scene.hugePages(4);
      const address = scene.map(4 * HUGE, { flags: HUGE_PRIVATE });
      const slot = scene.watchFile(address + HUGE, HUGE);
      const inside = scene.watchFile(scene.at(address, 3), 2 * PAGE);
      const last = scene.watchFile(address + 3 * HUGE, HUGE);
      if (slot === undefined || inside === undefined || last === undefined) return;
      scene.unmap(address + HUGE, HUGE);
      scene.fired(slot);
      scene.quiet(inside, last);
      scene.unmap(address, HUGE);
      scene.fired(inside);
      assert.equal(scene.monitor.unmonitor(last), 0);
    },
  },
  {
    name: 'huge pages of this process alone, truncated all the same: fires, or is not watched',
    run(scene) {
      scene.hugePages(1);
      const address = scene.map(HUGE, { flags: HUGE_PRIVATE });
      const slot = scene.watchFile(address, HUGE);
      truncateMapped(address, HUGE);
      assert.equal(bytesAt(address, PAGE)[0], 0, 'the page is another');
      if (slot !== undefined) scene.fired(slot);
    },
  },
  {
    name: 'memory that was never touched: monitored, touched, unmapped: fires',
    run(scene) {
      const address = scene.map(SIXTEEN, { untouched: true });
      const slot = scene.watch(address, SIXTEEN);
      const bytes = bytesAt(address, SIXTEEN);
      assert.equal(bytes[PAGE], 0);
      bytes[2 * PAGE] = 7;
      scene.quiet(slot);
      scene.unmap(address, SIXTEEN);
      scene.fired(slot);
    },
  },
  {
    name: 'a read-only mapping: unmapped: fires',
    run(scene) {
      const address = scene.map(SIXTEEN, { protection: PROT.read, untouched: true });
      const slot = scene.watch(address, SIXTEEN);
      assert.equal(bytesAt(address, SIXTEEN)[0], 0);
      scene.unmap(address, SIXTEEN);
      scene.fired(slot);
    },
  },
];
