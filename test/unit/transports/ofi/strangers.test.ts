/** What strangers send to a rank, through libfabric and past it: nothing of it is delivered, and peers go on. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ofi } from '../../../../native/ofi.ts';
import {
  newNonce,
  newSecret,
  parseSecret,
  Secret,
} from '../../../../transports/ofi/connect/secret.ts';
import { OfiDevice } from '../../../../transports/ofi/device/endpoint.ts';
import {
  ENVELOPE,
  OFI_ENVELOPE_BYTES,
  OFI_PACKET_BYTES,
  SETUP_BIT,
} from '../../../../transports/ofi/layout.ts';
import { OfiGroup } from '../../../conformance/transports/ofi-group.ts';
import { Random } from '../../../tools/random.ts';

const missing = process.env.CI === 'true' ? '' : ofi().ofiLoad();
const FRAME_BYTES = OFI_ENVELOPE_BYTES + OFI_PACKET_BYTES;

describe.skipIf(missing !== '')(`strangers ${missing}`, () => {
  let group: OfiGroup;
  let came: number[];
  const handler = {
    onPacket: (_peer: number, packet: { tag: number }) => came.push(packet.tag),
    onPeerError(_peer: number, error: Error) {
      throw error;
    },
  };
  const poll = (times: number) => {
    for (let i = 0; i < times; i++) for (const one of group.transports) one.poll(handler);
  };

  beforeEach(() => {
    group = new OfiGroup(2);
    group.meet(0, 1);
    came = [];
  });
  afterEach(() => group.close());

  /** Packets of the peer arrive, in their order, and no others. */
  function expectUnharmed(): void {
    const channel = group.transports[1].connect(0);
    const [none, before] = [new Uint8Array(0), came.length];
    expect(before).toBe(0);
    for (let tag = 1; tag <= 100; )
      if (channel.trySend(1, 0, tag, none, 0, 0)) tag++;
      else poll(1);
    for (let i = 0; i < 100_000 && came.length < 100; i++) poll(1);
    expect(came).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  }

  test('packets with no token, with a wrong one, and of any kind', () => {
    const stranger = OfiDevice.open();
    const area = stranger.openSendArea(FRAME_BYTES);
    const words = new Int32Array(area.bytes.buffer, 0, FRAME_BYTES / 4);
    const queue = stranger.createQueue(area, 0, 1, group.devices[0].address);
    const random = new Random(1);
    const foreign = new Secret(parseSecret(newSecret()), 1);

    function send(length: number): void {
      let sent = false;
      const end = () => {
        sent = true;
      };
      while (stranger.sendSetup(area, 0, length, queue.peer, end) !== 0) {
        stranger.poll();
        poll(1);
      }
      for (let i = 0; i < 100_000 && !sent; i++) {
        stranger.poll();
        poll(1);
      }
      expect(sent).toBe(true);
    }

    for (let round = 0; round < 200; round++) {
      for (let i = 0; i < words.length; i++) words[i] = random.next();
      // As if from rank 1, whose packets are counted; with and without the bit of the set-up.
      words[ENVELOPE.from] = 1;
      words[ENVELOPE.number] = round & 1 ? SETUP_BIT : 0;
      send(1 + random.below(FRAME_BYTES));
    }
    for (const said of [
      foreign.hello(0, newNonce()),
      foreign.proof(0, newNonce(), newNonce(), 0),
    ]) {
      words.fill(0);
      words[ENVELOPE.from] = 1;
      words[ENVELOPE.number] = SETUP_BIT;
      area.bytes.set(said, OFI_ENVELOPE_BYTES);
      send(OFI_ENVELOPE_BYTES + said.length);
    }
    poll(100);
    expectUnharmed();
    stranger.close();
  });

  test('connections that say nothing, a little, or anything at all', async () => {
    const { port } = group.devices[0].endOf(group.devices[0].address)!;
    const sockets = [];
    for (const bytes of [0, 1, 20, 100, 100_000]) {
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      await once(socket, 'connect');
      socket.write(Buffer.alloc(bytes, 0x5a));
      sockets.push(socket);
      poll(100);
    }
    expectUnharmed();
    for (const socket of sockets) socket.destroy();
  });
});
