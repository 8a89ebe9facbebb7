/** All parts that the doctor looks at, once the addon is there. */
import { pmixMissing, pmixVersion } from '../../job/pmix-job.ts';
import { fabric } from './fabric.ts';
import { type Finding, type Group, lacks, works } from './finding.ts';
import { cores, node, sharedMemory, transport } from './machine.ts';
import { registeredMemory } from './memory.ts';
import { withinNode } from './node-local.ts';
import { rdma } from './rdma.ts';

export async function partsOf(native: Finding): Promise<Group[]> {
  return [
    { name: 'Every job', findings: [node(), native, transport(), sharedMemory(), cores()] },
    { name: 'Within a node', findings: await withinNode() },
    { name: 'Registered memory', findings: registeredMemory() },
    { name: 'RDMA between nodes', findings: await rdma() },
    { name: 'Other networks, by libfabric', findings: await fabric() },
    { name: 'Launchers', findings: [pmix()] },
  ];
}

/** What ranks of Open MPI's mpirun and of srun --mpi=pmix load; no other launcher needs it. */
function pmix(): Finding {
  const missing = pmixMissing();
  if (missing === '') return works('libpmix', pmixVersion());
  const remedy =
    'apt-get install libpmix2, or DREG_PMIX_LIBRARY=FILE, for mpirun and srun --mpi=pmix';
  return lacks('libpmix', missing, { remedy });
}
