/**
 * The rank's end of PMI-1. Everything blocks: a rank learns who it is before it can do anything
 * else, and MPI.init() is synchronous.
 */
import { closeSync, fstatSync, readSync, writeSync } from 'node:fs';
import { addon } from '../../native/addon.ts';
import { check, MpiError } from '../base/error.ts';
import {
  CLIENT_LINE_MAX,
  formatLine,
  PMI_SUBVERSION,
  PMI_VERSION,
  type PmiFields,
  parseInteger,
  parseLine,
} from './pmi-wire.ts';

const READ_BYTES = 4096;
/** An answer longer than this comes from no PMI server. */
const ANSWER_MAX = 1 << 20;
/** How long one look at a non-blocking descriptor lasts before the next. */
const POLL_MS = 10_000;
/** Pause before a write to a full socket is tried again: the server has our last request unread. */
const RETRY_MS = 1;

const KEY_PATTERN = /^[A-Za-z0-9_.:-]+$/;

/** The limits that the server named. Each includes the final zero of a C string. */
interface Limits {
  key: number;
  value: number;
}

/** The errno name of a failed node:fs call. */
function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

export class PmiClient {
  readonly kvsname: string;
  readonly #rank: number;
  readonly #fd: number;
  readonly #limits: Limits;
  readonly #chunk = Buffer.alloc(READ_BYTES);
  /** What was read beyond the last answer. */
  #rest = '';
  #closed = false;

  /** @throws MpiError ERR_LAUNCH where the descriptor is no PMI connection. */
  constructor(fd: number, rank: number) {
    this.#fd = fd;
    this.#rank = rank;
    this.#checkDescriptor();
    const init = this.#request('response_to_init', 'init', {
      pmi_version: PMI_VERSION,
      pmi_subversion: PMI_SUBVERSION,
    });
    if (init.get('rc') !== '0') {
      const theirs = `${init.get('pmi_version')}.${init.get('pmi_subversion')}`;
      throw this.#failure(
        `the launcher speaks PMI ${theirs}, not ${PMI_VERSION}.${PMI_SUBVERSION}: use dregrun, mpiexec.hydra or srun --mpi=pmi2`,
      );
    }
    this.#limits = this.#readLimits();
    const kvsname = this.#request('my_kvsname', 'get_my_kvsname').get('kvsname');
    if (!kvsname) throw this.#failure('the launcher gave the job no name');
    this.kvsname = kvsname;
  }

  /** Makes a value readable for every rank after the next barrier. Any string, of any length. */
  put(key: string, value: string): void {
    const chunks = this.#split(key, encodeURIComponent(value));
    // The first part says how many parts there are, so a reader needs nothing else.
    chunks.forEach((chunk, part) => {
      const text = part === 0 ? `${chunks.length}.${chunk}` : chunk;
      const name = partKey(key, part);
      const answer = this.#request('put_result', 'put', {
        kvsname: this.kvsname,
        key: name,
        value: text,
      });
      if (answer.get('rc') !== '0')
        throw this.#failure(
          `the launcher refused key ${name}: ${answer.get('msg') ?? 'no reason'}`,
        );
    });
  }

  /** The value that a rank put before the last barrier, or undefined. */
  get(key: string): string | undefined {
    const first = this.#getPart(key, 0);
    if (first === undefined) return undefined;
    const dot = first.indexOf('.');
    const parts = parseInteger(first.slice(0, Math.max(dot, 0)));
    if (parts === undefined || parts < 1)
      throw this.#failure(
        `key ${key} holds no value of ours: do all ranks run the same version of dreg-mpi?`,
      );
    let text = first.slice(dot + 1);
    for (let part = 1; part < parts; part++) {
      const more = this.#getPart(key, part);
      if (more === undefined)
        throw this.#failure(`part ${part} of ${parts} of key ${key} is missing`);
      text += more;
    }
    try {
      return decodeURIComponent(text);
    } catch (cause) {
      throw this.#failure(
        `key ${key} holds no value of ours: do all ranks run the same version of dreg-mpi?`,
        cause,
      );
    }
  }

  /** A value as the launcher itself or an MPICH program stores it: one key, no parts. */
  getRaw(key: string): string | undefined {
    const answer = this.#request('get_result', 'get', { kvsname: this.kvsname, key });
    return answer.get('rc') === '0' ? (answer.get('value') ?? '') : undefined;
  }

  /** Blocks until every rank of the job is here. */
  barrier(): void {
    this.#request('barrier_out', 'barrier_in');
  }

  finalize(): void {
    if (this.#closed) return;
    this.#request('finalize_ack', 'finalize');
    this.#close();
  }

  /** Tells the launcher to end the job; there is no answer. A dead launcher is no reason to fail. */
  abort(code: number): void {
    if (this.#closed) return;
    try {
      this.#write(formatLine('abort', { exitcode: code }));
    } catch (error) {
      if (!(error instanceof MpiError)) throw error;
    }
    this.#close();
  }

  #close(): void {
    this.#closed = true;
    closeSync(this.#fd);
  }

  #checkDescriptor(): void {
    try {
      if (!fstatSync(this.#fd).isSocket())
        throw this.#failure(
          `PMI_FD=${this.#fd} is no socket: a program between the launcher and this rank did not pass it on`,
        );
    } catch (cause) {
      if (cause instanceof MpiError) throw cause;
      throw this.#failure(
        `PMI_FD=${this.#fd} is not open: a program between the launcher and this rank did not pass it on`,
        cause,
      );
    }
    // A process that this rank starts is no rank. Node closes low descriptors only.
    check(addon().closeOnExec(this.#fd), 'fcntl', 'PMI_FD', { rank: this.#rank });
  }

  #readLimits(): Limits {
    const maxes = this.#request('maxes', 'get_maxes');
    const key = parseInteger(maxes.get('keylen_max'));
    const value = parseInteger(maxes.get('vallen_max'));
    if (key === undefined || value === undefined || key < 16 || value < 16)
      throw this.#failure(
        `the launcher's limits are unusable: keylen_max=${maxes.get('keylen_max')} vallen_max=${maxes.get('vallen_max')}`,
      );
    return { key, value };
  }

  #getPart(key: string, part: number): string | undefined {
    return this.getRaw(partKey(key, part));
  }

  /** Cuts a value so that each part fits the launcher's limit on values and on whole lines. */
  #split(key: string, text: string): string[] {
    if (!KEY_PATTERN.test(key))
      throw new MpiError('ERR_ARG', `PMI key "${key}" has characters outside A-Z a-z 0-9 _ . : -`);
    const countDigits = String(text.length).length + 1;
    const longestKey = partKey(key, Math.max(text.length, 1)).length;
    if (longestKey >= this.#limits.key)
      throw new MpiError(
        'ERR_ARG',
        `PMI key "${key}" is longer than the ${this.#limits.key} letters that the launcher takes`,
      );
    const overhead = formatLine('put', { kvsname: this.kvsname, key: '', value: '' }).length;
    const room =
      Math.min(this.#limits.value, CLIENT_LINE_MAX - overhead - longestKey) - 1 - countDigits;
    if (room < 1) throw this.#failure('the launcher leaves no room for a value');
    const parts = [];
    for (let at = 0; at < text.length; at += room) parts.push(text.slice(at, at + room));
    return parts.length > 0 ? parts : [''];
  }

  /** Sends a command and waits for the answer of the given name. */
  #request(
    answerName: string,
    cmd: string,
    fields: Record<string, string | number> = {},
  ): PmiFields {
    if (this.#closed)
      throw new MpiError(
        'ERR_FINALIZED',
        `the PMI command ${cmd} came after MPI.finalize(): finalize last`,
      );
    this.#write(formatLine(cmd, fields));
    const line = this.#readLine(cmd);
    const answer = parseLine(line);
    if (answer?.get('cmd') !== answerName)
      throw this.#failure(`the launcher answered ${cmd} with "${line.slice(0, 200)}"`);
    return answer;
  }

  #write(line: string): void {
    const bytes = Buffer.from(line, 'latin1');
    for (let sent = 0; sent < bytes.length; ) {
      try {
        sent += writeSync(this.#fd, bytes, sent);
      } catch (cause) {
        if (codeOf(cause) === 'EINTR') continue;
        if (codeOf(cause) !== 'EAGAIN')
          throw this.#failure('the launcher has ended: start the job again', cause);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    }
  }

  #readLine(cmd: string): string {
    for (;;) {
      const end = this.#rest.indexOf('\n');
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return line;
      }
      if (this.#rest.length > ANSWER_MAX) throw this.#failure(`the answer to ${cmd} has no end`);
      const count = this.#read(cmd);
      if (count === 0)
        throw this.#failure(`the launcher ended while this rank waited for its answer to ${cmd}`);
      this.#rest += this.#chunk.toString('latin1', 0, count);
    }
  }

  /** One read; waits where the descriptor does not block by itself. */
  #read(cmd: string): number {
    for (;;) {
      try {
        return readSync(this.#fd, this.#chunk, 0, READ_BYTES, null);
      } catch (cause) {
        // A signal interrupted the read (dregrun passes some on). libuv does not repeat the read by itself.
        if (codeOf(cause) === 'EINTR') continue;
        // A launcher that was killed with our request unread resets the connection.
        if (codeOf(cause) === 'ECONNRESET') return 0;
        if (codeOf(cause) !== 'EAGAIN')
          throw this.#failure(`reading the launcher's answer to ${cmd} failed`, cause);
        check(addon().pollReadable(this.#fd, POLL_MS), 'poll', 'PMI_FD', { rank: this.#rank });
      }
    }
  }

  #failure(message: string, cause?: unknown): MpiError {
    return new MpiError('ERR_LAUNCH', `rank ${this.#rank}: ${message}`, {
      rank: this.#rank,
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** The key of a value's n-th part. */
function partKey(key: string, part: number): string {
  return part === 0 ? key : `${key}.${part}`;
}
