/** Which device, port and GID of it are used: decided on tables, so that no device is needed. */
import { describe, expect, test } from 'vitest';
import { ATTRIBUTE } from '../../../../../native/verbs.ts';
import { gidBytes, setPath } from '../../../../../transports/verbs/device/attributes.ts';
import {
  chooseGid,
  choosePort,
  type GidEntry,
  type PortEntry,
  parseDevice,
  parseGidIndex,
} from '../../../../../transports/verbs/device/select.ts';

const LINK_LOCAL = 'fe800000000000000242acfffe110002';
const MAPPED = '00000000000000000000ffff0a4e0001';
const LOOPBACK = '00000000000000000000ffff7f000001';
const GLOBAL = '20010db8000000000000000000000001';

const gid = (index: number, value: string, type = 'RoCE v2'): GidEntry => ({
  index,
  gid: value,
  type,
});

function port(device: string, more: Partial<PortEntry> = {}): PortEntry {
  const common = { port: 1, active: true, lid: 0, mtu: 1024, messageBytes: 2 ** 30, gids: [] };
  return { device, link: 'ethernet', ...common, ...more };
}

const unsupported = (text: string) =>
  expect.objectContaining({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining(text) });
const misused = (text: string) =>
  expect.objectContaining({ code: 'ERR_ARG', message: expect.stringContaining(text) });

describe('DREG_VERBS_DEVICE', () => {
  test.each([
    [undefined, {}],
    ['', {}],
    ['mlx5_0', { device: 'mlx5_0', port: undefined }],
    ['mlx5_0:2', { device: 'mlx5_0', port: 2 }],
  ])('%s', (text, wanted) => expect(parseDevice(text)).toEqual(wanted));

  test.each(['mlx5_0:', 'mlx5_0:0', 'mlx5_0:x', ':1', 'a b', '../rxe0', 'a:1:2'])(
    '"%s" is refused',
    (text) => expect(() => parseDevice(text)).toThrow(misused(`"${text}"`)),
  );
});

describe('DREG_VERBS_GID_INDEX', () => {
  test.each([
    [undefined, undefined],
    ['', undefined],
    ['0', 0],
    ['17', 17],
  ])('%s', (text, index) => expect(parseGidIndex(text)).toBe(index));

  test.each(['-1', '1.5', 'one', '123456'])('"%s" is refused', (text) =>
    expect(() => parseGidIndex(text)).toThrow(misused(`"${text}"`)),
  );
});

describe('the port', () => {
  const down = port('a', { active: false });
  const first = port('b');
  const second = port('b', { port: 2 });
  const all = [down, first, second];

  test.each([
    ['the first that is active', {}, first],
    ['of the device', { device: 'b' }, first],
    ['of the device and number', { device: 'b', port: 2 }, second],
    ['of the number, whatever the device', { port: 2 }, second],
  ])('%s', (_name, wanted, expected) => expect(choosePort(all, wanted)).toBe(expected));

  test('there is none, none such, or none that is active: each is said', () => {
    expect(() => choosePort([], {})).toThrow(unsupported('no RDMA device: load its driver'));
    expect(() => choosePort(all, { device: 'c', port: 3 })).toThrow(
      unsupported('"c:3"; there are: a:1, b:1, b:2'),
    );
    expect(() => choosePort(all, { device: 'a' })).toThrow(unsupported('active (a:1)'));
  });
});

describe('the GID', () => {
  test.each<[string, GidEntry[], number]>([
    ['v2 before v1', [gid(0, MAPPED, 'IB/RoCE v1'), gid(1, LINK_LOCAL)], 1],
    ['IPv4 before link-local', [gid(0, LINK_LOCAL), gid(1, MAPPED)], 1],
    ['IPv4 before a global one of IPv6', [gid(0, GLOBAL), gid(1, MAPPED)], 1],
    ['a global one before link-local', [gid(0, LINK_LOCAL), gid(1, GLOBAL)], 1],
    ["the network's before the loopback's", [gid(0, LOOPBACK), gid(1, MAPPED)], 1],
    ['the first of equals', [gid(3, MAPPED), gid(4, MAPPED)], 3],
    ['none that is empty', [gid(0, '0'.repeat(32)), gid(2, LINK_LOCAL)], 2],
  ])('on Ethernet: %s', (_name, gids, index) =>
    expect(chooseGid(port('a', { gids })).index).toBe(index),
  );

  test('on InfiniBand and iWARP the first', () => {
    const gids = [gid(0, LINK_LOCAL, 'IB/RoCE v1'), gid(1, MAPPED)];
    for (const link of ['infiniband', 'iwarp'] as const)
      expect(chooseGid(port('a', { link, gids })).index).toBe(0);
  });

  test('the one that is asked for, or an error that says which there are', () => {
    const entry = port('a', { gids: [gid(0, LINK_LOCAL), gid(1, MAPPED)] });
    expect(chooseGid(entry, 0).index).toBe(0);
    expect(() => chooseGid(entry, 7)).toThrow(unsupported('a:1 has no GID 7; it has: 0, 1'));
    expect(() => chooseGid(port('a'))).toThrow(unsupported('a:1 has no GID'));
  });
});

describe('the path to a peer', () => {
  const remote = { lid: 12, gid: MAPPED };

  test('of InfiniBand is its LID alone', () => {
    const attributes = new Int32Array(ATTRIBUTE.words);
    setPath(attributes, remote, { port: 2, gidIndex: 1, global: false });
    expect(attributes[ATTRIBUTE.lid]).toBe(12);
    expect(attributes[ATTRIBUTE.global]).toBe(0);
  });

  test('of Ethernet has the GID and our index', () => {
    const attributes = new Int32Array(ATTRIBUTE.words);
    const bytes = setPath(attributes, remote, { port: 1, gidIndex: 3, global: true });
    expect(Buffer.from(bytes).toString('hex')).toBe(MAPPED);
    expect(attributes[ATTRIBUTE.gidIndex]).toBe(3);
    expect(attributes[ATTRIBUTE.global]).toBe(1);
  });

  test.each(['', MAPPED.slice(1), `${MAPPED}0`, 'g'.repeat(32)])('"%s" is no GID', (text) =>
    expect(() => gidBytes(text)).toThrow(expect.objectContaining({ code: 'ERR_PROTOCOL' })),
  );
});
