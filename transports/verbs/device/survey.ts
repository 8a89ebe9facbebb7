/** Which devices there are, with their ports: looked at by opening them. */
import {
  LIMIT,
  LINK_LAYER_ETHERNET,
  PORT,
  PORT_ACTIVE,
  TRANSPORT_IWARP,
  verbs,
} from '../../../native/verbs.ts';
import { check, errnoName, MpiError } from '../../../runtime/base/error.ts';
import type { PortEntry } from './select.ts';
import { gidsOf } from './sysfs.ts';

/** Completions that the queue has room for at first; it grows with the queue pairs. */
export const COMPLETIONS_FIRST = 1024;
/** The same on iWARP, where devices need not be able to make it grow. */
export const COMPLETIONS_IWARP = 32768;

/** A device as it looks from outside; for whoever wants to know what there is. */
export interface DeviceSurvey {
  name: string;
  ports: PortEntry[];
  /** Why it cannot be opened. */
  error: MpiError | null;
}

/** All devices that the library knows, with their ports and GIDs. @throws MpiError ERR_UNSUPPORTED without it */
export function surveyDevices(): DeviceSurvey[] {
  const native = verbs();
  const missing = native.verbsLoad();
  if (missing !== '') throw new MpiError('ERR_UNSUPPORTED', missing);
  const devices = native.verbsDevices();
  if (typeof devices === 'number') return [];
  return devices.map((device) => {
    const id = native.verbsOpen(device.name, COMPLETIONS_FIRST);
    if (id < 0) return { name: device.name, ports: [], error: refusedToOpen(id, device.name) };
    const ports = portsOf(device, id);
    for (const port of ports) port.gids = gidsOf(port.device, port.port);
    native.verbsClose(id);
    return { name: device.name, ports, error: null };
  });
}

function refusedToOpen(answer: number, name: string): MpiError {
  const errno = -answer;
  const text = `${name}: ibv_open_device failed with ${errnoName(errno)}`;
  return new MpiError('ERR_SYSTEM', text, { errno, syscall: 'ibv_open_device' });
}

export interface Opened {
  name: string;
  id: number;
  ports: PortEntry[];
}

/** Opens the devices there are, or the one of that name, to look at their ports. */
export function openPorts(name: string | undefined): Opened[] {
  const native = verbs();
  const devices = native.verbsDevices();
  if (typeof devices === 'number') return [];
  const named = devices.filter((device) => device.name === name);
  const opened: Opened[] = [];
  for (const device of named.length > 0 ? named : devices) {
    const iwarp = device.transport === TRANSPORT_IWARP;
    const id = native.verbsOpen(device.name, iwarp ? COMPLETIONS_IWARP : COMPLETIONS_FIRST);
    if (id >= 0) opened.push({ name: device.name, id, ports: portsOf(device, id) });
    else if (named.length > 0) check(id, 'ibv_open_device', device.name);
  }
  return opened;
}

function portsOf(device: { name: string; transport: number }, id: number): PortEntry[] {
  const native = verbs();
  const limits = new Float64Array(LIMIT.words);
  native.verbsLimits(id, limits);
  const ports: PortEntry[] = [];
  for (let port = 1; port <= limits[LIMIT.ports]; port++) {
    const state = new Int32Array(PORT.words);
    if (native.verbsPort(id, port, state) < 0) continue;
    const ethernet = state[PORT.linkLayer] === LINK_LAYER_ETHERNET;
    const roce = ethernet ? 'ethernet' : 'infiniband';
    ports.push({
      device: device.name,
      port,
      active: state[PORT.state] === PORT_ACTIVE,
      link: device.transport === TRANSPORT_IWARP ? 'iwarp' : roce,
      lid: state[PORT.lid],
      mtu: state[PORT.mtu],
      messageBytes: state[PORT.messageBytes],
      gids: [],
    });
  }
  return ports;
}
