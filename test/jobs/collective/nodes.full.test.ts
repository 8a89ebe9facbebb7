/** All jobs of collective operations, with the ranks on two nodes. */
import { ACROSS_NODES } from '../job.ts';
import { launchTests, listJobs, together } from '../run.ts';

const jobs = listJobs().filter(({ name }) => name.startsWith('collective/'));

for (const ranks of [2, 3, 5])
  for (const settings of ACROSS_NODES)
    launchTests(`${ranks} ranks`, { ...together(jobs, ranks), settings });
