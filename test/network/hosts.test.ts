/** The hosts themselves: what joins them, who is near whom, and that nothing stays behind. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../native/addon.ts';
import { sortedLines } from '../jobs/run.ts';
import { until } from '../tools/launcher.ts';
import { type Hosts, openHosts } from './hosts.ts';
import { needHosts, runOn } from './support.ts';

const able = needHosts();

const WHO = join(packageRoot(), 'dist/programs/guest/nodes/programs/who.js');

describe('two hosts', () => {
  let hosts: Hosts;
  beforeAll(async () => {
    if (able) hosts = await openHosts();
  });
  afterAll(() => hosts?.close());

  test('ranks of both are in one job, and know who is near', async () => {
    const job = await runOn(hosts, { ranks: 4, perHost: 2, words: [WHO] });
    expect({ ...job, stdout: sortedLines(job.stdout) }).toEqual({
      ...{ status: 0, signal: null, stderr: '', orphans: [], shared: [] },
      stdout: [0, 1, 2, 3].map((rank) => `rank ${rank} of 4, near ${rank < 2 ? '0,1' : '2,3'}`),
    });
  });

  /** What one host gets to hear of a port of the other that nobody listens at. */
  const refused = () =>
    hosts.run('host0', 'bash', '-c', 'timeout 1 bash -c ">/dev/tcp/host1/9" 2>&1 || echo $?');

  test('a host that is silenced says nothing, not even that nobody listens', async () => {
    expect(await refused()).toContain('Connection refused');
    await hosts.silence('host0');
    expect(await refused()).toBe('124\n');
    await hosts.speak('host0');
    expect(await refused()).toContain('Connection refused');
  });
});

/** Network namespaces that some process of this machine is in. */
function namespaces(): string[] {
  const found = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/ns/net`);
      } catch {
        return ''; // It has just gone.
      }
    });
  return [...new Set(found)].sort();
}

test.each([
  ['SIGKILL', 'the opener'],
  ['SIGINT', 'its whole group'],
] as const)('hosts end with who opened them, by %s to %s', async (signal, whom) => {
  const opener = join(packageRoot(), 'dist/programs/network/programs/opener.js');
  const group = whom === 'its whole group';
  const child = spawn(process.execPath, [opener], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: group,
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await until('there are hosts', () => said.includes('\n'));
  const [folder, ...theirs] = said.trim().split(' ');
  expect(namespaces()).toEqual(expect.arrayContaining(theirs));
  process.kill(group ? -child.pid! : child.pid!, signal);
  await until('they are gone', () => !namespaces().some((one) => theirs.includes(one)));
  await until('so is their folder', () => !existsSync(folder));
});
