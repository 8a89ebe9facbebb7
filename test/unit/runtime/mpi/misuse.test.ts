/** Each wrong use is an MpiError with its code, before anything is posted. (Arguments: test/jobs.) */
import { constants } from 'node:buffer';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import type { ErrorCode } from '../../../../runtime/index.ts';
import { start } from '../../../tools/launcher.ts';

const PROGRAM = join(packageRoot(), 'dist/programs/unit/runtime/mpi/programs/misuse.js');

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
  ['allocate 8n', 'ERR_COUNT', '8n'],
  ['abort with 1n', 'ERR_ARG', '1n'],
  ['waitAll of no array', 'ERR_REQUEST', 'an object'],
  ['waitAll of no requests', 'ERR_REQUEST', '5 cannot'],
  ['alone in recvSync', 'ERR_DEADLOCK', 'only this rank itself could send'],
  ['alone in wait', 'ERR_DEADLOCK', 'only this rank itself could send'],
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
