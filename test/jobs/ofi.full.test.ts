/** Every job that test/jobs/ has, over libfabric on the loopback interface. */
import { launches, launchTests, listJobs, runLaunch } from './run.ts';

const environment = { DREG_TRANSPORT: 'ofi', DREG_OFI_INTERFACE: '127.0.0.0/8' };

for (const launch of launches(listJobs())) {
  if (launch.ranks === 1) continue;
  const alone = launch.jobs.length === 1 ? `${launch.jobs[0].name}, ` : '';
  launchTests(`${alone}${launch.ranks} ranks over ofi`, launch, () =>
    runLaunch(launch, { environment }),
  );
}
