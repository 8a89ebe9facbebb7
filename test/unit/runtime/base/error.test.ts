/** A message ends with the address of its code, and says it once. */
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { addressOf, MpiError, withoutAddress } from '../../../../runtime/base/error.ts';
import { dregrun } from '../../../tools/launcher.ts';

const PAGE = 'dreg-mpi/docs/reference/errors.md';
const addressesIn = (text: string) => text.match(/errors\.md#\w+/g) ?? [];

test('the address is the section in the package', () => {
  expect(addressOf('ERR_RANK')).toBe(`${PAGE}#err_rank`);
});

test.each([
  { said: 'rank 7 lies outside 0..3', join: '; ' },
  { said: 'has that rank ended?', join: ' ' },
  { said: 'they wait:\n  rank 0 in recv', join: '\n' },
])('"$said" and its address', ({ said, join }) => {
  const { message } = new MpiError('ERR_RANK', said);
  expect(message).toBe(`${said}${join}see ${PAGE}#err_rank`);
  expect(withoutAddress(message)).toBe(said);
});

test.each(['no', 'is it?', 'two\nlines'])('of an error made from another (%j), once', (said) => {
  const cause = new MpiError('ERR_SYSTEM', said);
  const { message } = new MpiError('ERR_PEER_FAILED', `rank 1: ${cause.message}, so rank 2 ends`);
  expect(addressesIn(message)).toEqual(['errors.md#err_peer_failed']);
  expect(withoutAddress(message)).toBe(`rank 1: ${said}, so rank 2 ends`);
});

test('what Node prints of an error has it once', () => {
  expect(addressesIn(inspect(new MpiError('ERR_TAG', 'a tag', { rank: 1 })))).toHaveLength(1);
});

test('what dregrun says of a wrong option has it once', async () => {
  const { status, stderr } = await dregrun(['--nonsense']);
  expect(status).not.toBe(0);
  expect(addressesIn(stderr)).toEqual(['errors.md#err_arg']);
  expect(stderr).toMatch(/^dregrun: .*; see dregrun --help, or dreg-mpi\/docs\/.*#err_arg\n$/);
});

test('a rank that ends by an error has it once', async () => {
  const program = "import('dreg-mpi').then(({ MPI }) => MPI.world.sendSync(new Uint8Array(1), 9))";
  const { status, stderr } = await dregrun(['-n', '1', '--', process.execPath, '-e', program]);
  expect(status).not.toBe(0);
  expect(addressesIn(stderr)).toEqual(['errors.md#err_rank']);
});
