/** Jobs on two hosts: by libfabric between them, by shared memory within each. */
import { afterAll, beforeAll } from 'vitest';
import { launchTests, listJobs, rankWords, someJobs, together } from '../jobs/run.ts';
import { type Hosts, openHosts } from './hosts.ts';
import { needHosts, runOn } from './support.ts';

const able = needHosts();

let hosts: Hosts;
beforeAll(async () => {
  if (able) hosts = await openHosts();
});
afterAll(() => hosts?.close());

const jobs = someJobs(listJobs().filter(({ rdma }) => rdma === undefined));
const launch = { ...together(jobs, 3), jobs };
launchTests('some jobs, 3 ranks, two hosts', launch, () =>
  runOn(hosts, { ranks: launch.ranks, perHost: 2, words: rankWords(launch) }),
);
