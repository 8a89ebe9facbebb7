/** Which provider, and over which interface. */
import { existsSync, readFileSync } from 'node:fs';
import { BlockList, isIPv4 } from 'node:net';
import { FORMAT, type OfiEntry, ofi } from '../../../native/ofi.ts';
import { MpiError } from '../../../runtime/base/error.ts';

/** Providers in the order in which they are tried, without DREG_OFI_PROVIDER. */
const PROVIDERS = ['cxi', 'efa', 'psm3', 'opx', 'net', 'tcp', 'tcp;ofi_rxm'];

export interface Chosen {
  entry: OfiEntry;
  index: number;
  /** For messages: provider and address. */
  name: string;
}

/** The IP address that a provider listens at; null where it has addresses of another kind. */
export function ipOf(format: number, source: Uint8Array): string | null {
  if (format === FORMAT.ipv4 && source.length >= 8) return source.subarray(4, 8).join('.');
  if (format !== FORMAT.ipv6 || source.length < 24) return null;
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((source[8 + 2 * i] << 8) | source[9 + 2 * i]).toString(16),
  );
  return groups.join(':');
}

const isBridge = (name: string) => existsSync(`/sys/class/net/${name}/bridge`);

function hasCarrier(name: string): boolean {
  try {
    return readFileSync(`/sys/class/net/${name}/carrier`, 'utf8').trim() === '1';
  } catch {
    return false;
  }
}

const isLocal = (ip: string) => ip.startsWith('127.') || ip === '0:0:0:0:0:0:0:1';

/** 0: best; Infinity: not taken unless it is asked for. */
function rankOf(entry: OfiEntry): number {
  const ip = ipOf(entry.format, entry.source);
  if (ip === null) return 0;
  if (isLocal(ip)) return 3;
  if (/^fe80:/i.test(ip) || isBridge(entry.domain) || !hasCarrier(entry.domain)) return Infinity;
  return isIPv4(ip) ? 1 : 2;
}

/** Whether an entry is of the interface, by name or network. */
function matcher(wanted: string): (entry: OfiEntry) => boolean {
  const [network, bits] = wanted.split('/');
  if (bits === undefined) return ({ domain }) => domain === wanted;
  const family = isIPv4(network) ? 'ipv4' : 'ipv6';
  const block = new BlockList();
  try {
    block.addSubnet(network, Number(bits), family);
  } catch {
    throw new MpiError(
      'ERR_ARG',
      `DREG_OFI_INTERFACE is "${wanted}"; it may be an interface (eth0) or a network (10.0.0.0/8)`,
    );
  }
  return ({ format, source }) => {
    const ip = ipOf(format, source);
    return ip !== null && isIPv4(ip) === (family === 'ipv4') && block.check(ip, family);
  };
}

function survey(provider: string): OfiEntry[] {
  const found = ofi().ofiSurvey(provider, true);
  return typeof found === 'number' ? [] : found;
}

/**
 * Chooses an entry of the last survey.
 * @throws MpiError ERR_UNSUPPORTED where there is none, ERR_ARG for a malformed DREG_OFI_INTERFACE
 * @environment DREG_OFI_PROVIDER | a name (`fi_info -l`) | the libfabric provider. Default: the best one there is
 * @environment DREG_OFI_INTERFACE | `eth0`, `10.0.0.0/8` | the interface of libfabric's provider, by name or
 *   network. Default: the first with a carrier that is no bridge
 */
export function chooseEntry(): Chosen {
  const missing = ofi().ofiLoad();
  if (missing !== '') throw new MpiError('ERR_UNSUPPORTED', missing);
  const named = process.env.DREG_OFI_PROVIDER;
  const wanted = process.env.DREG_OFI_INTERFACE;
  const fits = wanted ? matcher(wanted) : (entry: OfiEntry) => rankOf(entry) < Infinity;
  for (const provider of named ? [named] : PROVIDERS) {
    const found = survey(provider);
    const [best] = [...found.entries()]
      .filter(([, entry]) => fits(entry))
      .sort(([, a], [, b]) => rankOf(a) - rankOf(b));
    if (best === undefined) continue;
    const [index, entry] = best;
    const ip = ipOf(entry.format, entry.source);
    return { entry, index, name: `${entry.provider} at ${ip ?? entry.domain} (${entry.domain})` };
  }
  const what = named ? `provider "${named}"` : 'provider';
  const where = wanted ? ` on ${wanted}` : '';
  throw new MpiError(
    'ERR_UNSUPPORTED',
    `libfabric has no ${what}${where} with reliable datagrams and remote memory; "fi_info" lists what there is (DREG_OFI_PROVIDER, DREG_OFI_INTERFACE)`,
  );
}
