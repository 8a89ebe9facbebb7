/** Each wrong use is an MpiError with its code, before anything is posted. */
import { constants } from 'node:buffer';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../native/addon.ts';
import type { ErrorCode } from '../../runtime/index.ts';
import { start } from '../launch/support.ts';

const PROGRAM = join(packageRoot(), 'dist/test/runtime/programs/misuse.js');

async function misuse(name: string, environment: NodeJS.ProcessEnv = {}): Promise<string> {
  const { stdout, stderr } = await start(process.execPath, [PROGRAM, name], { environment }).ended;
  return stdout + stderr;
}

const OPERATIONS = [
  'sendSync',
  'recvSync',
  'isend',
  'irecv',
  'send',
  'recv',
  'sendrecvSync, sending',
  'sendrecvSync, receiving',
  'sendrecv, sending',
  'sendrecv, receiving',
];
const ARGUMENTS: [string, ErrorCode][] = [
  ['no such rank', 'ERR_RANK'],
  ['rank -7', 'ERR_RANK'],
  ['rank 0.5', 'ERR_RANK'],
  ['rank NaN', 'ERR_RANK'],
  ['rank 2^40', 'ERR_RANK'],
  ['rank undefined-like', 'ERR_RANK'],
  ['tag -7', 'ERR_TAG'],
  ['tag 0.5', 'ERR_TAG'],
  ['tag 2^31', 'ERR_TAG'],
  ['tag NaN', 'ERR_TAG'],
  ['tag of text', 'ERR_TAG'],
  ['detached buffer', 'ERR_BUFFER'],
  ['shrunk buffer', 'ERR_BUFFER'],
  ['no buffer', 'ERR_BUFFER'],
  ['array for a buffer', 'ERR_BUFFER'],
];

describe('arguments', () => {
  let lines: string[];
  beforeAll(async () => {
    lines = (await misuse('all arguments')).split('\n');
  });

  describe.each(OPERATIONS)('%s', (operation) => {
    test.each(ARGUMENTS)('%s is %s', (what, code) => {
      const line = lines.find((text) => text.startsWith(`${operation}: ${what}: `));
      expect(line).toMatch(new RegExp(`: ${code} `));
    });
  });

  test.each(['sendSync', 'isend', 'send', 'sendrecvSync, sending', 'sendrecv, sending'])(
    '%s takes no wildcards',
    (operation) => {
      const line = (what: string) =>
        lines.find((text) => text.startsWith(`${operation}: ${what}: `));
      expect(line('to any')).toMatch(/: ERR_RANK .*-1/);
      expect(line('any tag')).toMatch(/: ERR_TAG .*-1/);
    },
  );

  test('MPI goes on after all of them', () => {
    expect(lines).toContain('then: 3 3');
  });
});

test.each<[string, ErrorCode, string]>([
  ['init twice', 'ERR_INITIALIZED', 'already'],
  ['init after use', 'ERR_INITIALIZED', 'first use'],
  ['init after finalize', 'ERR_FINALIZED', 'once'],
  ['finalize twice', 'ERR_FINALIZED', 'finalize'],
  ['world after finalize', 'ERR_FINALIZED', 'finalize'],
  ['self after finalize', 'ERR_FINALIZED', 'finalize'],
  ['allocate after finalize', 'ERR_FINALIZED', 'finalize'],
  ['abort after finalize', 'ERR_FINALIZED', 'finalize'],
  ['barrier after finalize', 'ERR_FINALIZED', 'finalize'],
  ['barrierSync after finalize', 'ERR_FINALIZED', 'finalize'],
  ['allocate -1', 'ERR_COUNT', '-1'],
  ['allocate 0.5', 'ERR_COUNT', '0.5'],
  ['allocate NaN', 'ERR_COUNT', 'NaN'],
  ['allocate 2^53', 'ERR_COUNT', '9007199254740992'],
  // Node 20 has no view of so much.
  constants.MAX_LENGTH < 2 ** 40
    ? ['allocate too much', 'ERR_UNSUPPORTED', 'Node 22']
    : ['allocate too much', 'ERR_NO_MEM', 'memory'],
  ['free other memory', 'ERR_BUFFER', 'MPI.allocate()'],
  ['free twice', 'ERR_BUFFER', 'once'],
  ['abort with no status', 'ERR_ARG', '0.5'],
  ['alone in recvSync', 'ERR_DEADLOCK', 'one rank'],
  ['alone in wait', 'ERR_DEADLOCK', 'one rank'],
  ['large sendSync to itself', 'ERR_DEADLOCK', '100000 bytes'],
])('%s is %s', async (name, code, hint) => {
  const said = await misuse(name);
  expect(said).toContain(`${name}: ${code} `);
  expect(said).toContain(hint);
});

test.each(OPERATIONS)(
  '%s on a communicator kept over MPI.finalize() is ERR_FINALIZED',
  async (name) => {
    expect(await misuse(`${name} after finalize`)).toMatch(/: ERR_FINALIZED /);
  },
);

test.each([
  [{ DREG_TRANSPORT: 'pigeon' }, 'ERR_ARG', 'pigeon'],
  [{ DREG_SINGLE_COPY: 'perhaps' }, 'ERR_ARG', 'perhaps'],
  [{ DREG_SPIN_POLLS: '-5' }, 'ERR_ARG', '-5'],
  [{ DREG_SPIN_POLLS: 'many' }, 'ERR_ARG', 'many'],
])('the environment %j is ERR_ARG', async (environment, code, hint) => {
  const said = await misuse('use', environment);
  expect(said).toMatch(new RegExp(`: ${code} `));
  expect(said).toContain(hint);
});
