/** RDMA between nodes: the libraries, the devices with their ports, and a job over them. */
import { constants } from 'node:os';
import { addon } from '../../../native/addon.ts';
import {
  chooseGid,
  choosePort,
  type GidEntry,
  type PortEntry,
  parseDevice,
  parseGidIndex,
} from '../../../transports/verbs/device/select.ts';
import { type DeviceSurvey, surveyDevices } from '../../../transports/verbs/device/survey.ts';
import { deviceNames } from '../../../transports/verbs/device/sysfs.ts';
import { withoutAddress } from '../../base/error.ts';
import { formatBytes } from '../../memory/notice.ts';
import { type Finding, lacks, probed, works } from './finding.ts';
import { tryJob } from './trial-job.ts';

const { EACCES, EPERM } = constants.errno;

const NO_DEVICE =
  "load the card's driver, or for a try: rdma link add rxe0 type rxe netdev INTERFACE (docs/operating/rdma.md)";
const NO_PROVIDER =
  'install ibverbs-providers; a container needs --device /dev/infiniband, the host modprobe ib_uverbs';

/** Whether jobs are told to use RDMA and nothing else. */
const wanted = () => process.env.DREG_TRANSPORT === 'verbs';

export async function rdma(): Promise<Finding[]> {
  let devices: DeviceSurvey[] | null = null;
  const remedy = 'apt-get install libibverbs1 ibverbs-providers';
  const ibverbs = probed('libibverbs', { needed: wanted(), remedy }, () => {
    devices = surveyDevices();
    return works('libibverbs', 'libibverbs.so.1 loads');
  });
  const findings = [ibverbs, library('librdmacm', 'librdmacm.so.1', 'apt-get install librdmacm1')];
  return devices === null ? findings : [...findings, ...(await reach(devices))];
}

/** A library that is loaded only when something needs it, or by nothing here yet. */
export function library(part: string, name: string, remedy: string): Finding {
  const missing = addon().libraryMissing(name);
  return missing === '' ? works(part, `${name} is there`) : lacks(part, missing, { remedy });
}

async function reach(devices: DeviceSurvey[]): Promise<Finding[]> {
  const found = devices.flatMap(deviceFindings);
  if (found.length === 0) found.push(noDevice());
  const port = portToUse(devices.flatMap(({ ports }) => ports));
  if (port.state !== 'works') return devices.length > 0 || wanted() ? [...found, port] : found;
  return [...found, port, await job()];
}

/**
 * Where the kernel shows a device that the library does not know, a provider is missing or access is
 * denied.
 */
function noDevice(): Finding {
  const names = deviceNames();
  const remedy = names.length === 0 ? NO_DEVICE : NO_PROVIDER;
  const says =
    names.length === 0 ? 'none' : `libibverbs does not know the kernel's ${names.join(', ')}`;
  return { ...lacks('devices', says, { needed: wanted(), remedy }), facts: { kernel: names } };
}

function deviceFindings({ name, ports, error }: DeviceSurvey): Finding[] {
  if (error === null) return ports.map(portFinding);
  const denied = error.errno === EACCES || error.errno === EPERM;
  const remedy = denied ? 'chmod a+rw /dev/infiniband/uverbs* (a udev rule keeps it)' : NO_PROVIDER;
  return [lacks(name, withoutAddress(error.message), { remedy })];
}

function portFinding(entry: PortEntry): Finding {
  const { device, port, active, link, lid, mtu, gids } = entry;
  const part = `${device}:${port}`;
  const address = link === 'infiniband' ? `, LID ${lid}` : '';
  const says = `${LINKS[link]}, ${active ? 'active' : 'not active'}, packets of ${mtu} B${address}; GIDs: ${gids.map(showGid).join(', ') || 'none'}`;
  const facts = { link, active, lid, mtu, messageBytes: entry.messageBytes, gids };
  if (active) return works(part, says, facts);
  const remedy =
    'ip link set INTERFACE up; check the cable; InfiniBand needs a subnet manager (opensm)';
  return { ...lacks(part, says, { remedy }), facts };
}

const LINKS = { infiniband: 'InfiniBand', ethernet: 'Ethernet (RoCE)', iwarp: 'iWARP' } as const;

/** As an IPv6 address is written, without its short form. */
function showGid({ index, gid, type }: GidEntry): string {
  const address = gid.replace(/(.{4})(?=.)/g, '$1:');
  return `${index} ${type === '' ? '' : `(${type}) `}${address}`;
}

function portToUse(ports: PortEntry[]): Finding {
  const remedy = 'docs/operating/rdma.md: DREG_VERBS_DEVICE, DREG_VERBS_GID_INDEX';
  return probed('port in use', { needed: wanted(), remedy }, () => {
    const entry = choosePort(ports, parseDevice(process.env.DREG_VERBS_DEVICE));
    const gid = chooseGid(entry, parseGidIndex(process.env.DREG_VERBS_GID_INDEX));
    const { device, port } = entry;
    return works('port in use', `${device}:${port}, GID ${showGid(gid)}`, {
      device,
      port,
      gidIndex: gid.index,
    });
  });
}

async function job(): Promise<Finding> {
  const part = 'job over verbs';
  const { failure, statistics } = await tryJob('verbs', {});
  if (failure !== null) {
    const remedy = 'docs/operating/rdma.md lists errors and what to do about each';
    return lacks(part, failure, { needed: wanted(), remedy });
  }
  const memory = statistics?.memory ?? null;
  const ways = Object.entries(statistics?.messages.verbs?.received ?? {});
  const way = ways.find(([, count]) => count > 0)?.[0] ?? 'copy';
  const says = `two ranks exchanged a message of ${formatBytes(2 ** 20)} (${way}; monitor ${memory?.monitor})`;
  return works(part, says, { way, monitor: memory?.monitor });
}
