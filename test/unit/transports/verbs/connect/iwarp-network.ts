/** Ranks that meet by connection managers of a network that exists in memory only. */
import { constants } from 'node:os';
import type { MpiError } from '../../../../../runtime/base/error.ts';
import type {
  ConnectionEvent,
  Connections,
  IpAddress,
} from '../../../../../transports/verbs/connect/connections.ts';
import { type IwarpHost, IwarpSetup } from '../../../../../transports/verbs/connect/iwarp.ts';
import type { PacketDevice, PacketQueue } from '../../../../../transports/verbs/ports.ts';

const { ECONNREFUSED, ETIMEDOUT } = constants.errno;
const NOTHING = new Uint8Array(0);

interface End {
  owner: FakeConnections;
  number: number;
  to: IpAddress | null;
  /** The queue pair at this end, once it is known. */
  queue: number;
  other: End | null;
  connected: boolean;
  /** Who called has given up; the one called does not know it yet. */
  dead: boolean;
}

export class FakeConnections implements Connections {
  readonly own: IpAddress;
  readonly fd = -1;
  readonly ends = new Map<number, End>();
  readonly #nodes: Map<number, FakeConnections>;
  readonly #log: (line: string) => void;
  readonly #events: ConnectionEvent[] = [];
  #numbers = 0;

  constructor(port: number, nodes: Map<number, FakeConnections>, log: (line: string) => void) {
    this.own = { ip: '192.0.2.1', port };
    this.#nodes = nodes;
    this.#log = log;
    nodes.set(port, this);
  }

  next(): ConnectionEvent | null {
    return this.#events.shift() ?? null;
  }

  resolve(to: IpAddress): number {
    const end = this.#add(to);
    this.#tell('address', end);
    return end.number;
  }

  route(number: number): number {
    this.#tell('route', this.#find(number));
    return 0;
  }

  connect(number: number, queue: number, data: Uint8Array): number {
    const end = this.#find(number);
    end.queue = queue;
    const node = this.#nodes.get(end.to!.port);
    if (!node) return -ECONNREFUSED;
    const far = node.#add(null);
    far.other = end;
    end.other = far;
    node.#tell('request', far, 0, data);
    return 0;
  }

  accept(number: number, queue: number, data: Uint8Array): number {
    const end = this.#find(number);
    end.queue = queue;
    end.connected = true;
    this.#tell('established', end);
    // As siw does it: the answer is written, and then nobody is there to read it.
    if (end.dead || end.other === null) this.#tell('ended', end);
    else {
      end.other.connected = true;
      end.other.owner.#tell('established', end.other, 0, data);
    }
    return 0;
  }

  reject(number: number): void {
    const { other } = this.#find(number);
    if (other) other.owner.#tell('failed', other);
  }

  destroy(number: number): void {
    const end = this.#find(number);
    this.#log(`destroy of the end with queue ${end.queue}`);
    this.ends.delete(number);
    if (end.other) {
      if (end.connected) end.other.owner.#tell('ended', end.other);
      end.other.other = null;
    }
  }

  close(): void {
    for (const number of [...this.ends.keys()]) this.destroy(number);
    this.#nodes.delete(this.own.port);
  }

  /** The devices of those who call this rank wait no longer for its answer. */
  giveUp(): void {
    for (const end of this.ends.values()) {
      const { other } = end;
      if (!other || end.connected || end.to !== null) continue;
      end.dead = true;
      end.other = null;
      other.other = null;
      other.owner.#tell('failed', other, ETIMEDOUT);
    }
  }

  #add(to: IpAddress | null): End {
    const number = ++this.#numbers;
    const end: End = {
      owner: this,
      number,
      to,
      queue: 0,
      other: null,
      connected: false,
      dead: false,
    };
    this.ends.set(number, end);
    return end;
  }

  #find(number: number): End {
    const end = this.ends.get(number);
    if (!end) throw new Error(`there is no end ${number}`);
    return end;
  }

  #tell(kind: ConnectionEvent['kind'], end: End, errno = 0, data: Uint8Array = NOTHING): void {
    if (this.ends.has(end.number)) this.#events.push({ kind, end: end.number, errno, data });
  }
}

interface FakeQueue {
  readonly number: number;
  closed: boolean;
  close(): void;
}

/** A rank that wants to be connected and moves no data. */
export class Rank implements IwarpHost {
  readonly rank: number;
  readonly size: number;
  readonly jobId: string;
  readonly connections: FakeConnections;
  readonly setup: IwarpSetup;
  readonly queues = new Map<number, FakeQueue>();
  readonly readies: number[] = [];
  readonly failures: MpiError[] = [];
  readonly lines: string[] = [];
  /** All that were made, also those that only knock. */
  readonly made: FakeQueue[] = [];
  /** How often the device was asked for completions. */
  polls = 0;
  /** What comes out of it. */
  onPoll: () => number = () => 0;
  readonly #world: World;

  constructor(world: World, rank: number, size: number, jobId: string) {
    this.rank = rank;
    this.size = size;
    this.jobId = jobId;
    this.#world = world;
    this.connections = new FakeConnections(5000 + rank, world.nodes, (line) =>
      this.lines.push(line),
    );
    const device = {
      name: 'fake0',
      createQueuePair: () => this.#make() as unknown as PacketQueue,
      poll: () => {
        this.polls += 1;
        return this.onPoll();
      },
    } as unknown as PacketDevice;
    this.setup = new IwarpSetup(device, this, this.connections, () => world.time);
  }

  begin(peer: number): void {
    if (this.queues.has(peer)) return;
    const queue = this.#make();
    this.queues.set(peer, queue);
    const address = { ip: '192.0.2.1', port: 5000 + peer };
    this.setup.begin(peer, queue as unknown as PacketQueue, address);
  }

  invite(peer: number): void {
    this.begin(peer);
  }

  renew(peer: number): PacketQueue {
    this.queues.get(peer)!.close();
    const queue = this.#make();
    this.queues.set(peer, queue);
    return queue as unknown as PacketQueue;
  }

  ready(peer: number): void {
    this.readies.push(peer);
    // Who called sends first.
    if (this.rank < peer) this.#world.greetings.push({ from: this.rank, to: peer });
  }

  failed(_peer: number, error: MpiError): void {
    this.failures.push(error);
  }

  /** Looks once. */
  look(): void {
    this.setup.poll(true);
    if (this.setup.pending) this.setup.progress();
  }

  /** The rank at the other end of the queue pair with `peer`, by the network. */
  wiredTo(peer: number): number | undefined {
    const { number } = this.queues.get(peer)!;
    for (const end of this.connections.ends.values())
      if (end.queue === number && end.connected) return end.other?.queue;
    return undefined;
  }

  #make(): FakeQueue {
    const number = ++this.#world.numbers;
    const queue: FakeQueue = {
      number,
      closed: false,
      close: () => {
        if (!queue.closed) this.lines.push(`close of queue ${number}`);
        queue.closed = true;
      },
    };
    this.made.push(queue);
    return queue;
  }
}

export class World {
  readonly nodes = new Map<number, FakeConnections>();
  readonly greetings: { from: number; to: number }[] = [];
  readonly ranks: Rank[];
  time = 0;
  numbers = 0;

  constructor(size: number) {
    this.ranks = Array.from({ length: size }, (_, rank) => new Rank(this, rank, size, 'a job'));
  }

  /** Everybody looks, time passes. */
  run(milliseconds: number, who: readonly Rank[] = this.ranks): void {
    for (const end = this.time + milliseconds; this.time < end; this.time++) {
      for (const rank of who) rank.look();
      for (const { from, to } of this.greetings.splice(0)) this.#deliver(from, to);
    }
  }

  #deliver(from: number, to: number): void {
    const [sender, receiver] = [this.ranks[from], this.ranks[to]];
    const queue = receiver.queues.get(from);
    if (queue && sender.wiredTo(to) === queue.number) receiver.setup.heard(from);
  }
}
