/** Messages between the ranks of a node. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { nativeFile } from '../../../native/addon.ts';
import { heapLibrary, type SharedHeap } from '../../../native/shared-heap.ts';
import { formatBytes } from '../../memory/notice.ts';
import { heapProblem } from '../shared-heap.ts';
import { type Finding, lacks, works } from './finding.ts';
import { type Trial, tryJob } from './trial-job.ts';

/** A job over shared memory whose large messages are to be fetched from the sender's memory. */
export async function withinNode(): Promise<Finding[]> {
  const trial = await tryJob('shm', { DREG_SINGLE_COPY: 'always', DREG_RNDV: 'auto' });
  return [job(trial), singleCopy(trial), heap()];
}

function job({ failure }: Trial): Finding {
  if (failure === null) return works('job over shm', 'two ranks exchanged a message of 1 MiB');
  const remedy = 'dregrun -n 2 --verbose PROGRAM shows more; docs/operating/launching.md';
  return lacks('job over shm', failure, { needed: true, remedy });
}

function singleCopy({ statistics, notes }: Trial): Finding {
  const part = 'process_vm_readv';
  if ((statistics?.messages.shm?.received.get ?? 0) > 0)
    return works(part, "ranks read each other's memory: large messages are copied once");
  const scope = yama();
  const [, reason] = /process_vm_readv: (\w+)/.exec(notes) ?? [];
  const why = [reason, scope === null ? undefined : `ptrace_scope ${scope}`].filter(Boolean);
  const says = `large messages take two copies${why.length > 0 ? ` (${why.join(', ')})` : ''}`;
  const remedy =
    'sysctl kernel.yama.ptrace_scope=0; in a container: allow process_vm_readv, --cap-add SYS_PTRACE';
  return { ...lacks(part, says, { remedy }), facts: { yama: scope } };
}

/** What a Node that is started with the library says of its shared heap. */
function heap(): Finding {
  const part = 'shared heap';
  const problem = heapProblem();
  const words = `JSON.stringify(require(${JSON.stringify(nativeFile('dreg_mpi.node'))}).sharedHeap())`;
  const { stdout } = spawnSync(process.execPath, ['-p', words], {
    env: { ...process.env, LD_PRELOAD: heapLibrary() },
    encoding: 'utf8',
  });
  const found = answerIn(stdout);
  if (problem === null && found !== null && typeof found !== 'string')
    return works(
      part,
      `${formatBytes(found.bytes)} for the large arrays of a rank; in use with dregrun --shared-heap`,
    );
  const why =
    typeof found === 'string' ? found : 'this Node does not load the library (LD_PRELOAD)';
  const says = problem ?? why;
  const remedy =
    'nothing: arrays are private then; docs/internals/shared-heap.md says what it needs';
  return lacks(part, says, { remedy });
}

function answerIn(text: string): SharedHeap | string | null {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Yama's setting; null where the kernel has no Yama. */
function yama(): number | null {
  try {
    return Number(readFileSync('/proc/sys/kernel/yama/ptrace_scope', 'utf8'));
  } catch {
    return null;
  }
}
