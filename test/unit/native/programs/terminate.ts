/** Workers that do nothing but call the addon are terminated in the middle of a call, time after time. */
import { openSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { addon } from '../../../../native/addon.ts';
import { mapping } from '../../../../native/mapping.ts';
import { pagesAddon } from '../../../../native/pages.ts';
import { USER_MODE_ONLY, userfaultfd } from '../../../../native/userfaultfd.ts';
import { verbs } from '../../../../native/verbs.ts';
import { vma } from '../../../../native/vma.ts';

const ROUNDS = 6;
const WORKERS = 4;

/** Calls that make objects or convert arguments: those that a thread being terminated is refused. */
const CALLS: Readonly<Record<string, () => () => void>> = {
  vmaQuery() {
    const maps = openSync('/proc/self/maps', 'r');
    const answer = new Float64Array(5);
    return () => vma().vmaQuery(maps, addon().addressOf(answer), answer, false);
  },
  descriptors() {
    return () => mapping().closeOwned(mapping().ownFd(mapping().openFd('/dev/null', true)));
  },
  mappings() {
    const fd = openSync('/proc/self/exe', 'r');
    return () => {
      mapping().mapFd(fd, 0, 4096, false);
      pagesAddon().forkGuard();
      addon().segmentStat(fd);
    };
  },
  watchers() {
    const fd = addon().eventfdCreate();
    return () => new (addon().Watcher)(fd, true, () => {}).close();
  },
  process() {
    return () => {
      addon().affinityGet();
      const pipe = addon().pipeCreate();
      if (typeof pipe !== 'number') for (const end of pipe) addon().closeFd(end);
      addon().libraryMissing('libdreg-there-is-none.so');
    };
  },
  userfaultfd() {
    return () => {
      const fd = userfaultfd().userfaultfdOpen(USER_MODE_ONLY);
      const started = userfaultfd().userfaultfdStart(fd, 8);
      if (typeof started !== 'number') userfaultfd().userfaultfdStop(started.reader);
    };
  },
  verbs() {
    if (verbs().verbsLoad() !== '') return () => addon().affinityGet();
    return () => verbs().verbsDevices();
  },
};

/** So that a worker's calls have begun, and its code is still cold in one round, hot in another. */
const patience = (round: number) => 10 * round;

async function terminated(name: string, round: number): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), { workerData: name });
  await new Promise((resolve) => worker.once('message', resolve));
  await new Promise((resolve) => setTimeout(resolve, patience(round)));
  await worker.terminate();
}

if (isMainThread) {
  const [name] = process.argv.slice(2);
  if (!Object.hasOwn(CALLS, name)) throw new Error(`one of ${Object.keys(CALLS)}`);
  // The main thread has the addon, too: it is not unloaded with the last worker.
  addon();
  for (let round = 0; round < ROUNDS; round++)
    await Promise.all(Array.from({ length: WORKERS }, () => terminated(name, round)));
  process.stdout.write('through\n');
} else {
  const call = CALLS[workerData as string]();
  call();
  parentPort?.postMessage('begun');
  for (;;) call();
}
