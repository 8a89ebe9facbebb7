/** All parts that the doctor looks at, once the addon is there. */
import type { Finding, Group } from './finding.ts';
import { cores, node, sharedMemory, transport } from './machine.ts';
import { registeredMemory } from './memory.ts';
import { withinNode } from './node-local.ts';
import { library, rdma } from './rdma.ts';

export async function partsOf(native: Finding): Promise<Group[]> {
  return [
    { name: 'Every job', findings: [node(), native, transport(), sharedMemory(), cores()] },
    { name: 'Within a node', findings: await withinNode() },
    { name: 'Registered memory', findings: registeredMemory() },
    { name: 'RDMA between nodes', findings: await rdma() },
    { name: 'Launchers', findings: [pmix()] },
  ];
}

/** Found or not: the launcher does not use it yet (docs/operating/launching.md). */
function pmix(): Finding {
  const remedy = 'nothing: PMIx is not spoken yet (docs/operating/launching.md)';
  const found = library('libpmix', 'libpmix.so.2', remedy);
  if (found.state !== 'works') return found;
  return { ...found, says: `${found.says}, and not used: PMIx is not spoken yet` };
}
