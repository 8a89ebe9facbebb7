/**
 * PMI-1 for the ranks of two machines: the project's own server, over TCP. Test equipment: a launcher
 * for many machines would have somebody on each of them.
 *
 * A connection says who it is by its first line: `rank N`, and then speaks PMI, or `node N`, the
 * starter of a node's ranks, which is told when the job has to end, and says by closing that it has.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { PmiServer } from '../../../runtime/launch/pmi/server.ts';

/** How long a node's starter waits for the one that serves. */
const CONNECT_MS = 30_000;
const RETRY_MS = 100;
const GREETING = /^(rank|node) (\d{1,4})\n/;

export class PmiService {
  readonly #pmi: PmiServer;
  readonly #ranks: (Socket | undefined)[] = [];
  readonly #nodes = new Set<Socket>();
  readonly #server = createServer((socket) => this.#greet(socket));
  /** Why the job has to end. */
  #why: string | undefined;

  constructor(jobId: string, size: number) {
    this.#pmi = new PmiServer(jobId, Array(size).fill(0), {
      send: (rank, line) => this.#ranks[rank]?.write(line, 'latin1'),
      abort: (rank, code) => this.#end(`rank ${rank} aborts with status ${code}`),
      stuck: (message) => this.#end(message),
    });
  }

  async listen(port: number): Promise<void> {
    await once(this.#server.listen(port), 'listening');
  }

  /** Resolves when every node has ended its ranks, at the latest after this long. */
  async idle(milliseconds: number): Promise<void> {
    const until = performance.now() + milliseconds;
    while (this.#nodes.size > 0 && performance.now() < until) await sleep(RETRY_MS);
  }

  close(): void {
    this.#server.close();
    for (const socket of [...this.#ranks, ...this.#nodes]) socket?.destroy();
  }

  #greet(socket: Socket): void {
    let seen = Buffer.alloc(0);
    const onData = (bytes: Buffer) => {
      seen = Buffer.concat([seen, bytes]);
      const [line, what, number] = GREETING.exec(seen.toString('latin1')) ?? [];
      if (line === undefined) return;
      socket.off('data', onData);
      if (what === 'node') this.#node(socket);
      else this.#rank(socket, Number(number), seen.subarray(line.length));
    };
    socket.on('data', onData);
    // Of a machine that is gone, or a rank that was killed: its end is what counts.
    socket.on('error', () => socket.destroy());
  }

  #rank(socket: Socket, rank: number, rest: Buffer): void {
    this.#ranks[rank] = socket;
    socket.on('close', () => this.#pmi.ended(rank));
    socket.on('data', (bytes: Buffer) => this.#pmi.receive(rank, bytes));
    if (rest.length > 0) this.#pmi.receive(rank, rest);
  }

  #node(socket: Socket): void {
    this.#nodes.add(socket);
    socket.on('close', () => this.#nodes.delete(socket));
    if (this.#why !== undefined) socket.write(`${this.#why}\n`);
  }

  #end(why: string): void {
    this.#why ??= why;
    for (const socket of this.#nodes) socket.write(`${this.#why}\n`);
  }
}

/** A connection to the service, once it is there. Nothing is read from it on this side. */
export async function connectTo(
  host: string,
  port: number,
  what: 'rank' | 'node',
  number: number,
): Promise<Socket> {
  const until = performance.now() + CONNECT_MS;
  for (;;) {
    const socket = connect(port, host);
    // A rank's connection is the rank's to read, from its first byte on.
    if (what === 'rank') socket.pause();
    try {
      await once(socket, 'connect');
      await new Promise<unknown>((written) => socket.write(`${what} ${number}\n`, written));
      return socket;
    } catch (error) {
      socket.destroy();
      if (performance.now() > until) throw error;
      await sleep(RETRY_MS);
    }
  }
}
