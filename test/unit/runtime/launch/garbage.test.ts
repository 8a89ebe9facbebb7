/** A rank that misuses its PMI connection harms itself only. */
import { describe, expect, test } from 'vitest';
import {
  bytesRead,
  dregrun,
  fixture,
  startDregrun,
  survivors,
  untilBlocked,
} from '../../../tools/launcher.ts';

/** Its own code is a tenth of it; a rank that is heard without an end writes it in a moment. */
const READ_MAX = 64 * 2 ** 20;
const sh = (script: string) => ['--', 'sh', '-c', script];

describe('on the PMI connection', () => {
  test('garbage does not end dregrun', async () => {
    const { status, stderr } = await dregrun(['-n', '2', ...sh('head -c 300000 /dev/urandom >&3')]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test('garbage of one rank does not disturb the others’ exchange', async () => {
    const exchange = `exec "${process.execPath}" "${fixture('exchange.mjs')}"`;
    const { status, stdout } = await dregrun([
      ...['-n', '3'],
      ...sh(
        `for i in 1 2 3; do echo nonsense >&3; read answer <&3; echo "$answer"; done; ${exchange}`,
      ),
    ]);
    expect(status).toBe(0);
    expect(stdout.match(/^cmd=result rc=-1 msg=malformed_line$/gm)).toHaveLength(9);
    expect(stdout.match(/^rank \d of 3 launcher dregrun right 3 missing true$/gm)).toHaveLength(3);
  });

  test('a rank that asks and never reads is not heard for long; dregrun stays small', async () => {
    const job = startDregrun(['-n', '2', ...sh('yes cmd=get_maxes >&3')]);
    await untilBlocked(job.pid);
    // What it holds is less than what it has read.
    expect(bytesRead(job.pid)).toBeLessThan(READ_MAX);
    job.child.kill('SIGTERM');
    expect((await job.ended).status).toBe(143);
    expect(survivors(job.mark)).toEqual([]);
  });

  test('a closed one is no failure of a rank that never used it', async () => {
    expect((await dregrun(['-n', '2', ...sh('exec 3>&-; sleep 0.1')])).status).toBe(0);
  });
});
