/**
 * Rank 0 waits for a socket, and awaits none of its operations: large messages to it and from it, and a
 * message to itself, go on meanwhile, since rank 1 connects only when they are through.
 */
import { connect, createServer, type Server } from 'node:net';
import { MPI } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, filled, verify } from '../lib.ts';

const BYTES = 2_000_000;
const { world } = MPI;
const port = new Int32Array(1);

async function elsewhere(): Promise<void> {
  if (world.rank === 0) {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    port[0] = (server.address() as { port: number }).port;
    await world.send(port, 1);
    for (const direction of ['here', 'there']) {
      const bytes = direction === 'here' ? new Uint8Array(BYTES) : filled(BYTES, 2);
      const request = direction === 'here' ? world.irecv(bytes, 1) : world.isend(bytes, 1);
      await connection(server);
      assert(request.test(), `the large message ${direction}`);
      verify(bytes, direction === 'here' ? 1 : 2, direction);
    }
    server.close();
  } else {
    await world.recv(port, 0);
    await world.send(filled(BYTES, 1), 0);
    await knock();
    const bytes = new Uint8Array(BYTES);
    await world.recv(bytes, 0);
    verify(bytes, 2, 'there');
    await knock();
  }
}

function connection(server: Server): Promise<void> {
  return new Promise((done) => server.once('connection', (socket) => socket.end(done)));
}

function knock(): Promise<void> {
  return new Promise((done, fail) => {
    const socket = connect(port[0], '127.0.0.1');
    socket.on('error', fail);
    socket.on('close', () => done());
    socket.resume();
  });
}

export default defineJob({
  ranks: [2],
  rdma: [],
  cases: { 'large messages go on while their rank waits for a socket': elsewhere },
});
