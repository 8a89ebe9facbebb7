/**
 * The launcher's end of PMI-1: one key-value space, one barrier, and the state of each rank. It knows
 * nothing of sockets and processes: bytes come in by `receive`, and lines go out by `send`.
 */

import {
  formatLine,
  KEY_MAX,
  KVSNAME_MAX,
  PMI_SUBVERSION,
  PMI_VERSION,
  type PmiFields,
  PROCESS_MAPPING_KEY,
  parseInteger,
  parseLine,
  VALUE_MAX,
} from '../../job/pmi-wire.ts';
import { LineReader, OVERLONG } from './line-reader.ts';
import { PublishedNames } from './names.ts';

/**
 * Bytes of a whole job's keys and values; each pair counts {@link KVS_PAIR_BYTES} more. A rank that exceeds
 * this is refused, and dregrun lives on.
 */
export const KVS_BYTES_MAX = 64 * 1024 * 1024;

/** What a pair costs beside its letters: two strings, their places in the map and in the order. */
export const KVS_PAIR_BYTES = 192;

export interface PmiServerEvents {
  /** A line for a rank. */
  send(rank: number, line: string): void;
  /** A rank asked for the end of the job. */
  abort(rank: number, code: number): void;
  /** A barrier in which ranks wait can never complete. */
  stuck(message: string): void;
}

/** A rank as PMI sees it. */
interface RankState {
  initialized: boolean;
  finalized: boolean;
  /** Its process has ended. */
  ended: boolean;
  inBarrier: boolean;
  readonly reader: LineReader;
  /** Inside a command of several lines (`mcmd=`…`endcmd`): its fields so far. */
  block: Map<string, string> | undefined;
}

export class PmiServer {
  readonly #kvsname: string;
  readonly #events: PmiServerEvents;
  readonly #ranks: RankState[];
  /** By rank: which of the job's programs it runs. */
  readonly #appnums: readonly number[];
  readonly #values = new Map<string, string>();
  /** In the order of their puts, for getbyidx. */
  readonly #keys: string[] = [];
  #bytes = 0;
  readonly #names = new PublishedNames();
  #stuck = false;

  /** @param appnums by rank */
  constructor(kvsname: string, appnums: readonly number[], events: PmiServerEvents) {
    const size = appnums.length;
    this.#kvsname = kvsname;
    this.#appnums = appnums;
    this.#events = events;
    this.#ranks = Array.from({ length: size }, () => ({
      initialized: false,
      finalized: false,
      ended: false,
      inBarrier: false,
      reader: new LineReader(),
      block: undefined,
    }));
    // (first node, nodes, ranks a node): all ranks are on one node.
    this.#store(PROCESS_MAPPING_KEY, `(vector,(0,1,${size}))`);
  }

  initialized(rank: number): boolean {
    return this.#ranks[rank].initialized;
  }

  finalized(rank: number): boolean {
    return this.#ranks[rank].finalized;
  }

  /** What ranks have put under a key, as it travels. */
  valueOf(key: string): string | undefined {
    return this.#values.get(key);
  }

  /** Bytes from a rank's connection. */
  receive(rank: number, bytes: Buffer): void {
    for (const line of this.#ranks[rank].reader.feed(bytes)) {
      if (line === OVERLONG) this.#refuse(rank, 'line_too_long');
      else this.#line(rank, line);
    }
  }

  /** The rank's process has ended: it will enter no barrier. */
  ended(rank: number): void {
    this.#ranks[rank].ended = true;
    this.#checkBarrier();
  }

  #line(rank: number, line: string): void {
    const state = this.#ranks[rank];
    if (state.block) {
      this.#blockLine(rank, state.block, line);
      return;
    }
    if (line.trim() === '') return;
    if (/^\s*cmd=abort(?!\S)/.test(line)) {
      this.#events.abort(rank, exitCodeOf(line));
      return;
    }
    const fields = parseLine(line);
    if (fields?.has('mcmd')) {
      state.block = new Map(fields);
    } else if (fields?.has('cmd')) {
      const answer = this.#answerTo(rank, fields.get('cmd')!, fields);
      if (answer !== undefined) this.#events.send(rank, answer);
    } else {
      this.#refuse(rank, 'malformed_line');
    }
  }

  /** A line of `mcmd=spawn`: values may hold blanks here, so only the first `=` counts. */
  #blockLine(rank: number, block: Map<string, string>, line: string): void {
    if (line !== 'endcmd') {
      const equals = line.indexOf('=');
      const name = line.slice(0, Math.max(equals, 0));
      if (name === 'totspawns' || name === 'spawnssofar') block.set(name, line.slice(equals + 1));
      return;
    }
    this.#ranks[rank].block = undefined;
    // One command may come as several blocks; its client waits for one answer.
    const total = parseInteger(block.get('totspawns')) ?? 1;
    const soFar = parseInteger(block.get('spawnssofar')) ?? 1;
    if (soFar >= total) this.#events.send(rank, unsupported(block.get('mcmd')!));
  }

  /** The answer to a command, or undefined where there is none yet, or none at all. */
  #answerTo(rank: number, cmd: string, fields: PmiFields): string | undefined {
    switch (cmd) {
      case 'init':
        return this.#init(rank, fields);
      case 'get_maxes':
        return formatLine('maxes', {
          kvsname_max: KVSNAME_MAX,
          keylen_max: KEY_MAX,
          vallen_max: VALUE_MAX,
        });
      case 'get_appnum':
        return formatLine('appnum', { appnum: this.#appnums[rank] });
      case 'get_my_kvsname':
        return formatLine('my_kvsname', { kvsname: this.#kvsname });
      case 'get_universe_size':
        return formatLine('universe_size', { size: this.#ranks.length });
      case 'put':
        return this.#put(fields);
      case 'get':
        return this.#get(fields);
      case 'getbyidx':
        return this.#getByIndex(fields);
      case 'publish_name':
      case 'lookup_name':
      case 'unpublish_name':
        return this.#names.answerTo(cmd, fields);
      case 'barrier_in':
        return this.#barrierIn(rank);
      case 'finalize':
        return this.#finalize(rank);
      default:
        return unsupported(cmd);
    }
  }

  #init(rank: number, fields: PmiFields): string {
    const fits = fields.get('pmi_version') === String(PMI_VERSION);
    if (fits) this.#ranks[rank].initialized = true;
    return formatLine('response_to_init', {
      pmi_version: PMI_VERSION,
      pmi_subversion: PMI_SUBVERSION,
      rc: fits ? 0 : -1,
    });
  }

  #put(fields: PmiFields): string {
    const refusal = this.#refusalOfPut(fields);
    if (refusal !== undefined) return formatLine('put_result', { rc: -1, msg: refusal });
    this.#store(fields.get('key')!, fields.get('value')!);
    return formatLine('put_result', { rc: 0, msg: 'success' });
  }

  #refusalOfPut(fields: PmiFields): string | undefined {
    const key = fields.get('key');
    const value = fields.get('value');
    if (fields.get('kvsname') !== this.#kvsname) return 'no_such_kvs';
    if (!key || value === undefined) return 'key_or_value_missing';
    // The buffer of a client also holds the final zero.
    if (key.length >= KEY_MAX) return 'key_too_long';
    if (value.length >= VALUE_MAX) return 'value_too_long';
    if (this.#values.has(key)) return 'duplicate_key';
    if (this.#bytes + bytesOf(key, value) > KVS_BYTES_MAX) return 'kvs_full';
    return undefined;
  }

  #store(key: string, value: string): void {
    const kept = copied(key);
    this.#values.set(kept, copied(value));
    this.#keys.push(kept);
    this.#bytes += bytesOf(key, value);
  }

  #get(fields: PmiFields): string {
    const ours = fields.get('kvsname') === this.#kvsname;
    const value = ours ? this.#values.get(fields.get('key') ?? '') : undefined;
    if (value !== undefined) return formatLine('get_result', { rc: 0, msg: 'success', value });
    const msg = ours ? 'key_not_found' : 'no_such_kvs';
    return formatLine('get_result', { rc: -1, msg, value: 'unknown' });
  }

  #getByIndex(fields: PmiFields): string {
    const index = parseInteger(fields.get('idx')) ?? -1;
    const key = fields.get('kvsname') === this.#kvsname ? this.#keys[index] : undefined;
    if (key === undefined)
      return formatLine('getbyidx_results', { rc: -2, reason: 'no_more_keyvals' });
    const val = this.#values.get(key)!;
    return formatLine('getbyidx_results', { rc: 0, nextidx: index + 1, key, val });
  }

  /** The last rank that comes lets all ranks go on. */
  #barrierIn(rank: number): string | undefined {
    const state = this.#ranks[rank];
    if (state.inBarrier) return formatLine('result', { rc: -1, msg: 'already_in_the_barrier' });
    state.inBarrier = true;
    if (this.#ranks.every((each) => each.inBarrier)) {
      for (const each of this.#ranks) each.inBarrier = false;
      const out = formatLine('barrier_out');
      for (let each = 0; each < this.#ranks.length; each++) this.#events.send(each, out);
    } else {
      this.#checkBarrier();
    }
    return undefined;
  }

  #finalize(rank: number): string {
    this.#ranks[rank].finalized = true;
    this.#checkBarrier();
    return formatLine('finalize_ack');
  }

  /** A barrier fails as soon as a rank that is not in it cannot come any more. */
  #checkBarrier(): void {
    const waiting = this.#ranks.findIndex((each) => each.inBarrier);
    const absent = this.#ranks.findIndex(
      (each) => !each.inBarrier && (each.ended || each.finalized),
    );
    if (waiting < 0 || absent < 0 || this.#stuck) return;
    this.#stuck = true;
    const how = this.#ranks[absent].ended ? 'has ended' : 'has finalized';
    this.#events.stuck(`rank ${waiting} waits in a barrier for rank ${absent}, which ${how}`);
  }

  #refuse(rank: number, msg: string): void {
    this.#events.send(rank, formatLine('result', { rc: -1, msg }));
  }
}

const bytesOf = (key: string, value: string) => KVS_PAIR_BYTES + key.length + value.length;

/** A part of a string keeps the whole string alive, which is all that came with it; a copy does not. */
const copied = (text: string) => Buffer.from(text, 'latin1').toString('latin1');

/**
 * A request for the end of the job is heard however it is written: MPICH 4.1 and newer add a message
 * behind the exit code, whose words are no fields.
 */
function exitCodeOf(line: string): number {
  const [fields] = line.split(' message=', 1);
  return parseInteger(/ exitcode=(\S+)/.exec(fields)?.[1]) ?? 1;
}

/** Clients wait for an answer of a certain name, also to commands that dregrun does not support. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  spawn: 'spawn_result',
};

function unsupported(cmd: string): string {
  return Object.hasOwn(UNSUPPORTED, cmd)
    ? formatLine(UNSUPPORTED[cmd], { rc: -1, msg: `${cmd}_is_not_supported` })
    : formatLine('result', { rc: -1, msg: 'unknown_command' });
}
