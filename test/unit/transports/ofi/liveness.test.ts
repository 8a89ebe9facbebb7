/** What a rank makes of the state of its connections, which is told here and not looked at. */
import { beforeEach, expect, test } from 'vitest';
import type { TcpConnection } from '../../../../native/tcp.ts';
import type { MpiError } from '../../../../runtime/base/error.ts';
import {
  OFI_REPEATS_MS,
  OFI_SILENCE_MS,
  OFI_STRANGER_MS,
  OFI_STRANGERS_MAX,
  OFI_UNREACHABLE_MS,
  type OfiChannel,
  OfiLiveness,
} from '../../../../transports/ofi/liveness.ts';
import { CONTROL } from '../../../../transports/packets/layout.ts';
import { HEARTBEAT_MS } from '../../../../transports/packets/transport.ts';

const OWN = { ip: '10.0.0.1', port: 5000 };
const PEER = { ip: '10.0.0.2', port: 6000 };

let time: number;
let connections: TcpConnection[];
let cut: number[];
let liveness: OfiLiveness;
let channel: OfiChannel & { link: number; state: string };
let told: number[];
let failed: MpiError | null;

const made: TcpConnection = {
  ...{ fd: 7, established: true, silentMs: 0, repeats: 0, acknowledged: 0 },
  ...{ own: { ip: OWN.ip, port: 41_000 }, peer: PEER },
};
const accepted: TcpConnection = { ...made, fd: 8, own: OWN, peer: { ip: PEER.ip, port: 42_000 } };

function look(afterMs = HEARTBEAT_MS): void {
  time += afterMs;
  liveness.look();
}

beforeEach(() => {
  time = 1e6;
  [connections, cut, told, failed] = [[], [], [], null];
  const tcp = {
    connections: () => connections,
    keepAlive: () => 0,
    shutdown: (fd: number) => cut.push(fd),
  };
  liveness = new OfiLiveness('net at 10.0.0.1', OWN, () => time, tcp);
  channel = {
    ...{ peer: 1, state: 'ready', link: 0 },
    control: (kind: number, tag: number) => kind === CONTROL.link && told.push(tag) > 0,
    fail: (error: MpiError) => {
      failed = error;
    },
  } as unknown as typeof channel;
  liveness.watch(channel, PEER);
});

test('who has made the connection tells its port, who has not says so, each once', () => {
  connections = [made];
  look();
  look();
  expect(told).toEqual([41_000]);
  liveness.watch(channel, PEER);
  connections = [accepted];
  look();
  expect(told).toEqual([41_000, -1]);
});

test('a peer whose machine says nothing', () => {
  connections = [{ ...made, silentMs: OFI_SILENCE_MS }];
  look();
  expect(failed).toBeNull();
  connections = [{ ...made, silentMs: OFI_SILENCE_MS + 1 }];
  look();
  expect(failed).toMatchObject({ code: 'ERR_PEER_FAILED' });
  expect(failed?.message).toContain('net at 10.0.0.1: the peer at 10.0.0.2:6000');
});

test('a peer whose machine speaks and does not hear', () => {
  connections = [{ ...made, repeats: 1 }];
  look();
  connections = [{ ...made, repeats: 2, acknowledged: 1 }];
  look(OFI_REPEATS_MS + 1);
  expect(failed).toBeNull();
  look(OFI_REPEATS_MS + 1);
  expect(failed).toMatchObject({ code: 'ERR_PEER_FAILED' });
});

test('a connection that was closed: what came before is taken first', () => {
  connections = [made];
  look();
  connections = [{ ...made, established: false }];
  look();
  expect(failed).toBeNull();
  look();
  expect(failed).toMatchObject({ code: 'ERR_PEER_FAILED' });
});

test('of two connections one is enough', () => {
  channel.link = 42_000;
  connections = [made, accepted];
  look();
  connections = [{ ...made, established: false }, accepted];
  for (let i = 0; i < 3; i++) look();
  expect(failed).toBeNull();
  connections = [{ ...accepted, peer: { ip: PEER.ip, port: 43_000 } }];
  for (let i = 0; i < 2; i++) look();
  expect(failed).toMatchObject({ code: 'ERR_PEER_FAILED' });
});

test('a peer that no connection reaches', () => {
  channel.state = 'connecting';
  look(OFI_UNREACHABLE_MS);
  expect(failed).toBeNull();
  look();
  expect(failed).toMatchObject({ code: 'ERR_UNREACHABLE', peer: 1 });
  expect(failed?.message).toContain('10.0.0.2:6000');
});

test('a peer that is connected and computes is waited for', () => {
  channel.state = 'connecting';
  connections = [made];
  look(100 * OFI_UNREACHABLE_MS);
  expect(failed).toBeNull();
});

test('the connections of a peer that has failed are cut, and nobody else is', () => {
  channel.link = 42_000;
  connections = [made, accepted, { ...accepted, fd: 9, peer: { ip: PEER.ip, port: 43_000 } }];
  liveness.end(1);
  expect(cut).toEqual([7, 8]);
});

test('what no peer has made has its time, and there are not many of it', () => {
  channel.link = -1;
  const stranger = (fd: number) => ({ ...accepted, fd, peer: { ip: '10.6.6.6', port: 100 + fd } });
  connections = [made, stranger(20), { ...accepted, fd: 21 }];
  look();
  look(OFI_STRANGER_MS);
  expect(cut).toEqual([]);
  look();
  expect(cut.sort()).toEqual([20, 21]);
  cut.length = 0;
  connections = [made, stranger(20)];
  look();
  connections.push(...Array.from({ length: OFI_STRANGERS_MAX }, (_, i) => stranger(100 + i)));
  look();
  expect(cut).toEqual([20]);
});
