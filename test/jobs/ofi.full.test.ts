/** The jobs that run over any transport, over libfabric on the loopback interface, with each way of large messages. */
import type { Rendezvous } from './job.ts';
import { type Launch, launchTests, listJobs, runLaunch, together } from './run.ts';

const RUNS: readonly (readonly [ranks: number, way: Rendezvous])[] = [
  [2, 'put'],
  [3, 'get'],
  [5, 'auto'],
  [8, 'copy'],
];

function overOfi(what: string, launch: Launch, way: Rendezvous): void {
  const environment = {
    DREG_TRANSPORT: 'ofi',
    DREG_OFI_INTERFACE: '127.0.0.0/8',
    DREG_RNDV: way,
  };
  launchTests(`${what}, ${launch.ranks} ranks, ${way}`, launch, () =>
    runLaunch(launch, { environment }),
  );
}

const jobs = listJobs();
const anywhere = jobs.filter(({ rdma }) => rdma === undefined);
for (const [ranks, way] of RUNS) overOfi('every job', together(anywhere, ranks), way);
for (const job of jobs) {
  const { name, settings: [settings = {}] = [], nodeOptions = [], rdma = [] } = job;
  for (const [ranks, way] of rdma)
    overOfi(name, { ranks, jobs: [job], settings, nodeOptions }, way);
}
