import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { packageRoot } from '../../../../../native/addon.ts';
import { formatLine, parseLine } from '../../../../../runtime/job/pmi-wire.ts';
import {
  LineReader,
  OVERLONG,
  PMI_LINE_MAX,
} from '../../../../../runtime/launch/pmi/line-reader.ts';
import { PUBLISHED_NAMES_MAX } from '../../../../../runtime/launch/pmi/names.ts';
import {
  KVS_BYTES_MAX,
  KVS_PAIR_BYTES,
  PmiServer,
} from '../../../../../runtime/launch/pmi/server.ts';

const SIZE = 3;
const APPNUMS = [0, 0, 7];
let sent: string[][];
let aborts: [number, number][];
let stuck: string[];
let server: PmiServer;

beforeEach(() => {
  sent = Array.from({ length: SIZE }, () => []);
  aborts = [];
  stuck = [];
  server = new PmiServer('kvs', APPNUMS, {
    send: (rank, line) => sent[rank].push(line),
    abort: (rank, code) => aborts.push([rank, code]),
    stuck: (message) => stuck.push(message),
  });
});

/** What the server answers a rank's lines with. */
function ask(rank: number, lines: string): string[] {
  sent[rank].length = 0;
  server.receive(rank, Buffer.from(lines, 'latin1'));
  return sent[rank];
}

describe('each command has its answer', () => {
  test.each([
    [
      'cmd=init pmi_version=1 pmi_subversion=1',
      'cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0',
    ],
    [
      'cmd=init pmi_version=2 pmi_subversion=0',
      'cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=-1',
    ],
    ['cmd=init', 'cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=-1'],
    ['cmd=get_maxes', 'cmd=maxes kvsname_max=256 keylen_max=64 vallen_max=1024'],
    ['cmd=get_appnum', 'cmd=appnum appnum=0'],
    ['cmd=get_my_kvsname', 'cmd=my_kvsname kvsname=kvs'],
    ['cmd=get_universe_size', 'cmd=universe_size size=3'],
    [
      'cmd=get kvsname=kvs key=PMI_process_mapping',
      'cmd=get_result rc=0 msg=success value=(vector,(0,1,3))',
    ],
    ['cmd=get kvsname=kvs key=nobody', 'cmd=get_result rc=-1 msg=key_not_found value=unknown'],
    ['cmd=get kvsname=kvs', 'cmd=get_result rc=-1 msg=key_not_found value=unknown'],
    ['cmd=get kvsname=other key=a', 'cmd=get_result rc=-1 msg=no_such_kvs value=unknown'],
    ['cmd=put kvsname=kvs key=a value=b', 'cmd=put_result rc=0 msg=success'],
    ['cmd=put kvsname=kvs key=a value=', 'cmd=put_result rc=0 msg=success'],
    ['cmd=put kvsname=kvs key=a', 'cmd=put_result rc=-1 msg=key_or_value_missing'],
    ['cmd=put kvsname=other key=a value=b', 'cmd=put_result rc=-1 msg=no_such_kvs'],
    [
      'cmd=getbyidx kvsname=kvs idx=0',
      'cmd=getbyidx_results rc=0 nextidx=1 key=PMI_process_mapping val=(vector,(0,1,3))',
    ],
    ['cmd=getbyidx kvsname=kvs idx=1', 'cmd=getbyidx_results rc=-2 reason=no_more_keyvals'],
    ['cmd=getbyidx kvsname=kvs idx=-1', 'cmd=getbyidx_results rc=-2 reason=no_more_keyvals'],
    ['cmd=getbyidx kvsname=kvs idx=x', 'cmd=getbyidx_results rc=-2 reason=no_more_keyvals'],
    ['cmd=finalize', 'cmd=finalize_ack'],
    ['cmd=spawn nprocs=1', 'cmd=spawn_result rc=-1 msg=spawn_is_not_supported'],
    ['cmd=unheard_of', 'cmd=result rc=-1 msg=unknown_command'],
    ['cmd=', 'cmd=result rc=-1 msg=unknown_command'],
    ['cmd=toString', 'cmd=result rc=-1 msg=unknown_command'],
    ['cmd=init cmd=abort', 'cmd=result rc=-1 msg=malformed_line'],
    ['key=value', 'cmd=result rc=-1 msg=malformed_line'],
    ['cmd', 'cmd=result rc=-1 msg=malformed_line'],
    ['=init', 'cmd=result rc=-1 msg=malformed_line'],
  ])('%s', (line, answer) => {
    expect(ask(0, `${line}\n`)).toEqual([`${answer}\n`]);
  });

  test('a rank is told which of the programs it runs', () => {
    expect(ask(2, 'cmd=get_appnum\n')).toEqual(['cmd=appnum appnum=7\n']);
  });

  test('a published name is found by every rank until it is taken back', () => {
    const found = 'cmd=lookup_result info=ok rc=0 msg=success port=tag#0$host\n';
    const none = 'cmd=lookup_result info=fail rc=-1 msg=service_not_found\n';
    expect(ask(1, 'cmd=lookup_name service=a\n')).toEqual([none]);
    expect(ask(0, 'cmd=publish_name service=a port=tag#0$host\n')).toEqual([
      'cmd=publish_result info=ok rc=0 msg=success\n',
    ]);
    expect(ask(1, 'cmd=lookup_name service=a\n')).toEqual([found]);
    expect(ask(2, 'cmd=publish_name service=a port=b\n')[0]).toContain('already_published');
    expect(ask(2, 'cmd=unpublish_name service=a\n')).toEqual([
      'cmd=unpublish_result info=ok rc=0 msg=success\n',
    ]);
    expect(ask(1, 'cmd=lookup_name service=a\n')).toEqual([none]);
    expect(ask(1, 'cmd=unpublish_name service=a\n')[0]).toContain('rc=-1');
    expect(ask(1, 'cmd=publish_name service=a\n')[0]).toContain('missing');
  });

  test('a flood of names is refused, and the job goes on', () => {
    let names = 0;
    while (ask(0, `cmd=publish_name service=${names} port=p\n`)[0].includes('rc=0')) names += 1;
    expect(names).toBe(PUBLISHED_NAMES_MAX);
    expect(ask(1, 'cmd=lookup_name service=0\n')[0]).toContain('port=p');
  });

  test('a key is put once, and every rank reads it', () => {
    ask(0, 'cmd=put kvsname=kvs key=card value=zero\n');
    expect(ask(1, 'cmd=put kvsname=kvs key=card value=one\n')).toEqual([
      'cmd=put_result rc=-1 msg=duplicate_key\n',
    ]);
    expect(ask(2, 'cmd=get kvsname=kvs key=card\n')).toEqual([
      'cmd=get_result rc=0 msg=success value=zero\n',
    ]);
  });

  test('keys and values end below the promised limits', () => {
    const put = (key: number, value: number) =>
      ask(0, `cmd=put kvsname=kvs key=${'k'.repeat(key)} value=${'v'.repeat(value)}\n`)[0];
    expect(put(63, 1023)).toContain('rc=0');
    expect(put(64, 1)).toContain('key_too_long');
    expect(put(1, 1024)).toContain('value_too_long');
  });

  test('a flooded key-value space refuses, and goes on serving', () => {
    const value = 'v'.repeat(1000);
    const pair = KVS_PAIR_BYTES + 1000;
    let puts = 0;
    while (ask(0, `cmd=put kvsname=kvs key=${puts} value=${value}\n`)[0].includes('rc=0'))
      puts += 1;
    expect(sent[0]).toEqual(['cmd=put_result rc=-1 msg=kvs_full\n']);
    expect(puts).toBeGreaterThan(KVS_BYTES_MAX / (pair + 10));
    expect(puts).toBeLessThan(KVS_BYTES_MAX / pair);
    expect(ask(1, 'cmd=get kvsname=kvs key=0\n')[0]).toContain('rc=0');
  });

  test.each(['short keys', 'long lines'])('what a flood of %s leaves is bounded', (kind) => {
    const program = join(packageRoot(), 'dist/programs/unit/runtime/launch/pmi/programs/flood.js');
    const told = execFileSync(process.execPath, ['--expose-gc', program, kind], {
      encoding: 'utf8',
    });
    const { answer, bytes } = JSON.parse(told);
    expect(answer).toContain('kvs_full');
    expect(bytes).toBeLessThan(KVS_BYTES_MAX);
  });

  test('a spawn of several blocks gets one answer, after the last', () => {
    const block = (at: number) =>
      `mcmd=spawn\nnprocs=1\nexecname=a b=c\ntotspawns=2\nspawnssofar=${at}\nargcnt=0\nendcmd\n`;
    expect(ask(0, block(1))).toEqual([]);
    expect(ask(0, block(2))).toEqual(['cmd=spawn_result rc=-1 msg=spawn_is_not_supported\n']);
    expect(ask(0, 'cmd=get_appnum\n')).toEqual(['cmd=appnum appnum=0\n']);
  });

  test('an abort reaches the launcher and is not answered', () => {
    expect(ask(1, 'cmd=abort exitcode=7\n')).toEqual([]);
    ask(2, 'cmd=abort\n');
    expect(aborts).toEqual([
      [1, 7],
      [2, 1],
    ]);
  });

  test.each([
    ['exitcode=7 message=application called MPI_Abort(MPI_COMM_WORLD, 7) - process 1', 7],
    ['exitcode=9 message=exitcode=3 rank=0 rank=1', 9],
    ['message=exitcode=3 and a=b', 1],
    ['exitcode=5 a a=b=c a=b error', 5],
  ])('an abort is heard with words behind it: %s', (rest, code) => {
    expect(ask(1, `cmd=abort ${rest}\n`)).toEqual([]);
    expect(aborts).toEqual([[1, code]]);
  });
});

describe('the barrier', () => {
  test('opens for all when the last rank is in it, again and again', () => {
    for (let round = 0; round < 3; round++) {
      expect(ask(0, 'cmd=barrier_in\n')).toEqual([]);
      expect(ask(2, 'cmd=barrier_in\n')).toEqual([]);
      ask(1, 'cmd=barrier_in\n');
      expect(sent).toEqual(Array(SIZE).fill(['cmd=barrier_out\n']));
      for (const lines of sent) lines.length = 0;
    }
    expect(stuck).toEqual([]);
  });

  test('counts a rank once', () => {
    ask(0, 'cmd=barrier_in\n');
    expect(ask(0, 'cmd=barrier_in\n')[0]).toContain('rc=-1');
    ask(1, 'cmd=barrier_in\n');
    expect(sent[1]).toEqual([]);
  });

  test('that can never open is told once, whoever came first', () => {
    server.ended(1);
    expect(stuck).toEqual([]);
    ask(0, 'cmd=barrier_in\n');
    ask(2, 'cmd=barrier_in\n');
    expect(stuck).toEqual([expect.stringContaining('rank 0 waits in a barrier for rank 1')]);
  });

  test('is stuck as well when an absent rank finalizes', () => {
    ask(0, 'cmd=barrier_in\n');
    ask(2, 'cmd=finalize\n');
    expect(stuck).toEqual([expect.stringContaining('rank 2, which has finalized')]);
  });
});

test('what a rank has come to', () => {
  expect([server.initialized(0), server.finalized(0)]).toEqual([false, false]);
  ask(0, 'cmd=init pmi_version=1 pmi_subversion=1\n');
  expect([server.initialized(0), server.finalized(0)]).toEqual([true, false]);
  ask(0, 'cmd=finalize\n');
  expect([server.initialized(0), server.finalized(0)]).toEqual([true, true]);
  expect(server.initialized(1)).toBe(false);
});

describe('lines', () => {
  const read = (reader: LineReader, text: string) => [...reader.feed(Buffer.from(text, 'latin1'))];

  test('come whole however the bytes are cut', () => {
    const reader = new LineReader();
    expect(read(reader, 'cmd=a\ncm')).toEqual(['cmd=a']);
    expect(read(reader, 'd=b')).toEqual([]);
    expect(read(reader, '\n\ncmd=c\n')).toEqual(['cmd=b', '', 'cmd=c']);
  });

  test('that exceed the limit are named, and the next one is read', () => {
    const reader = new LineReader();
    expect(read(reader, 'x'.repeat(PMI_LINE_MAX))).toEqual([]);
    expect(read(reader, `${'x'.repeat(PMI_LINE_MAX)}\ncmd=a\n`)).toEqual([OVERLONG, 'cmd=a']);
    expect(read(reader, `${'x'.repeat(PMI_LINE_MAX)}\n`)).toEqual(['x'.repeat(PMI_LINE_MAX)]);
  });

  test('are parsed as they were formatted', () => {
    const fields = parseLine(formatLine('put', { key: 'a=b', value: '' }).trimEnd());
    expect([...(fields ?? [])]).toEqual([
      ['cmd', 'put'],
      ['key', 'a=b'],
      ['value', ''],
    ]);
    expect(parseLine('')).toBeUndefined();
  });
});

describe('garbage', () => {
  /** A generator of numbers that a failing case can be repeated with. */
  function random(seed: number): (below: number) => number {
    let state = seed;
    return (below) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
  }
  const WORDS = [
    ...['cmd=', 'mcmd=', 'init', 'put', 'get', 'getbyidx', 'barrier_in', 'finalize', 'endcmd'],
    ...['spawn', ' kvsname=kvs', ' key=', ' value=', ' idx=', '-1', '99999999999999999999', '='],
    ...[' ', '\n', '\r', '\0', '%', '\xff', '__proto__', 'constructor', 'x'.repeat(300)],
  ];

  test.each(Array.from({ length: 200 }, (_, seed) => seed + 1))(
    'seed %i leaves the server whole',
    (seed) => {
      const below = random(seed);
      for (let chunk = 0; chunk < 50; chunk++) {
        let text = '';
        for (let word = below(12); word >= 0; word--)
          text += below(4) ? WORDS[below(WORDS.length)] : String.fromCharCode(below(256));
        ask(below(SIZE), text);
        for (const lines of sent)
          for (const line of lines) {
            expect(line).toMatch(/^cmd=[a-z_]+( [a-z_]+=[^ \n]*)*\n$/);
            expect(parseLine(line.slice(0, -1))).toBeDefined();
          }
      }
      // A rank inside a block of lines must be able to leave it; then it is served as ever.
      for (let rank = 0; rank < SIZE; rank++) {
        ask(rank, '\nendcmd\n\n');
        expect(ask(rank, 'cmd=get_my_kvsname\n')).toEqual(['cmd=my_kvsname kvsname=kvs\n']);
      }
    },
  );
});
