/** Networks by libfabric: the library, what a job would use of it, and a job over it. */
import { ofi } from '../../../native/ofi.ts';
import { chooseEntry } from '../../../transports/ofi/device/interfaces.ts';
import { type Finding, lacks, probed, works } from './finding.ts';
import { tryJob } from './trial-job.ts';

const INSTALL = 'apt-get install libfabric1, for machines without RDMA';

/** Whether jobs are told to use libfabric and nothing else. */
const wanted = () => process.env.DREG_TRANSPORT === 'ofi';

export async function fabric(): Promise<Finding[]> {
  const missing = ofi().ofiLoad();
  if (missing !== '') return [lacks('libfabric', missing, { needed: wanted(), remedy: INSTALL })];
  const version = ofi().ofiVersion();
  const [major, minor] = [version >> 16, version & 0xffff];
  const library = works('libfabric', `${major}.${minor}`, { major, minor });
  const remedy = 'ip link set INTERFACE up; DREG_OFI_PROVIDER and DREG_OFI_INTERFACE name others';
  const provider = probed('provider in use', { needed: wanted(), remedy }, () => {
    const { entry, name } = chooseEntry();
    return works('provider in use', name, { provider: entry.provider, domain: entry.domain });
  });
  // Few jobs need it: it is tried where it is asked for.
  return provider.state === 'works' && wanted()
    ? [library, provider, await job()]
    : [library, provider];
}

async function job(): Promise<Finding> {
  const part = 'job over ofi';
  const { failure, statistics } = await tryJob('ofi', {});
  if (failure !== null)
    return lacks(part, failure, { needed: wanted(), remedy: 'docs/internals/ofi.md' });
  const ways = Object.entries(statistics?.messages.ofi?.received ?? {});
  const way = ways.find(([, count]) => count > 0)?.[0] ?? 'copy';
  return works(part, `two ranks exchanged a message (${way})`, { way });
}
