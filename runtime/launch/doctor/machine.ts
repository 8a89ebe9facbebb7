/** What every job needs: Node, the addon, shared memory, cores. */
import { statfsSync } from 'node:fs';
import { loadRdma, transportName } from '../../../transports/select.ts';
import { soloSegment } from '../../../transports/shm/segment.ts';
import { formatBytes } from '../../memory/notice.ts';
import { allowedCpus, planBinding } from '../binding.ts';
import { type Finding, probed, works } from './finding.ts';

const NODE = 'Node 20.19, 22.12 or newer from https://nodejs.org';

/** Whether it can do all that this package asks for shows where modules are loaded on demand. */
export function node(): Finding {
  return probed('Node', { remedy: NODE }, () => {
    loadRdma();
    return works('Node', process.version, { version: process.version });
  });
}

export function transport(): Finding {
  const remedy = 'unset DREG_TRANSPORT, or set it to one of these';
  return probed('transport', { needed: true, remedy }, () => {
    const name = transportName();
    return works(
      'transport',
      name === 'auto' ? 'auto: shm within a node, verbs or ofi between' : name,
      {
        name,
      },
    );
  });
}

export function sharedMemory(): Finding {
  const remedy = 'allow memfd_create and eventfd2 (seccomp profile), free some memory';
  return probed('shared memory', { needed: true, remedy }, () => {
    soloSegment('doctor', 0).close();
    const bytes = devShmBytes();
    const beside = bytes === null ? '' : `; /dev/shm (${formatBytes(bytes)}) is not needed`;
    return works('shared memory', `memfd_create${beside}`, { devShmBytes: bytes });
  });
}

function devShmBytes(): number | null {
  try {
    const { bsize, blocks } = statfsSync('/dev/shm');
    return bsize * blocks;
  } catch {
    return null;
  }
}

/** Ranks of a job that the doctor would start: the least that talk to each other. */
const PAIR = 2;

export function cores(): Finding {
  const cpus = allowedCpus();
  const { binding, cores: count } = planBinding(undefined, PAIR, cpus);
  const bound =
    binding === 'core' ? `up to ${count} ranks are bound to one each` : 'ranks are not bound';
  const says = `${count} (CPUs: ${cpus?.length ?? 'unknown'}); ${bound}, more ranks than CPUs sleep instead of polling`;
  return works('cores', says, { cores: count, cpus: cpus ?? null, binding });
}
