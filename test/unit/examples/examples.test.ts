import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { canTest, DREGRUN, dregrun, temporaryFolder } from '../../tools/launcher.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const example = (name: string) => join(packageRoot(), 'dist/examples', `${name}.js`);

async function run(name: string, words: string[], ranks = 2) {
  return await dregrun(['-n', String(ranks), example(name), ...words]);
}

/** Runs an example in which nothing fails; its JSON lines. */
async function rowsOf(name: string, words: string[]) {
  const { status, stdout, stderr } = await run(name, ['--json', ...words]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** What an XML parser finds in a file: its root's name, and how many elements of each name. */
function xmlOf(path: string): { root: string; count: Record<string, number> } {
  const script = `
import collections, json, sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
count = collections.Counter(element.tag.split('}')[1] for element in root.iter())
print(json.dumps({'root': root.tag, 'count': count}))`;
  return JSON.parse(execFileSync('python3', ['-c', script, path], { encoding: 'utf8' }));
}

describe.each([
  { name: 'pingpong', modes: ['sync', 'async'], keys: ['p99'] },
  {
    name: 'bandwidth',
    modes: ['sync', 'nonblocking', 'nonblocking-both', 'async', 'async-both'],
    keys: ['direction', 'messagesPerSecond', 'bytesPerSecond'],
  },
])('$name', ({ name, modes, keys }) => {
  const sizes = [8, 131072];

  it('prints one JSON object for each mode and size, and plots them', async () => {
    const svg = join(folder.path, `${name}.svg`);
    const rows = await rowsOf(name, ['--quick', '--sizes', sizes.join(','), '--svg', svg]);
    const named = ({ mode, direction }: { mode: string; direction?: string }) =>
      direction === 'both' ? `${mode}-both` : mode;
    expect(rows.map((row) => [named(row), row.bytes])).toEqual(
      modes.flatMap((mode) => sizes.map((bytes) => [mode, bytes])),
    );
    for (const row of rows) {
      expect(Object.keys(row)).toEqual(
        expect.arrayContaining([...keys, 'memory', 'ns', 'best', 'rounds']),
      );
      expect(row.memory).toBe('private');
      expect(row.best).toBeGreaterThan(0);
      expect(row.ns).toBeGreaterThanOrEqual(row.best);
    }
    const { root, count } = xmlOf(svg);
    expect(root).toBe('{http://www.w3.org/2000/svg}svg');
    expect(count.polyline).toBe(modes.length);
    // A dot for each figure, and one for each line of the legend.
    expect(count.circle).toBe(modes.length * (sizes.length + 1));
  });

  it('measures shared buffers, one mode, zero bytes', async () => {
    const sizes = ['--sizes', '0,300000'];
    const words = ['--quick', '--allocate', '--modes', 'sync', ...sizes, '--transport', 'shm'];
    const rows = await rowsOf(name, words);
    expect(rows.map(({ mode, bytes, memory }) => [mode, bytes, memory])).toEqual([
      ['sync', 0, 'shared'],
      ['sync', 300000, 'shared'],
    ]);
  });

  it('shows an earlier run beside this one, each with its setting', async () => {
    const [earlier, svg] = [join(folder.path, `${name}.jsonl`), join(folder.path, `${name}-2.svg`)];
    const words = [
      '--modes',
      'sync',
      '--transport',
      'shm',
      '--sizes',
      '8,131072',
      '--json',
      '--quick',
    ];
    const rndv = ['--rndv', 'copy', '--monitor', 'none'];
    const { stdout: lines } = await run(name, [...words, ...rndv]);
    writeFileSync(earlier, lines);
    const rows = await rowsOf(name, [...words, '--beside', earlier, '--svg', svg]);
    expect(rows.map(({ setting, bytes }) => [setting, bytes])).toEqual([
      ['shm, none, copy', 8],
      ['shm, none, copy', 131072],
      ['shm', 8],
      ['shm', 131072],
    ]);
    expect(rows[0].way).toBe('eager');
    expect(rows[1].way).toBe('copy');
    expect(xmlOf(svg).count.polyline).toBe(2);
  });

  it('names a file of an earlier run that is not there', async () => {
    const { status, stderr } = await run(name, ['--beside', join(folder.path, 'nowhere')]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/--beside .*nowhere: ENOENT/);
  });

  it('prints a table without --json', async () => {
    const { status, stdout } = await run(name, ['--quick', '--sizes', '8', '--modes', 'sync']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ +mode .* size .*\n +sync .* 8 B .*\n$/);
  });

  it('explains itself', async () => {
    const { status, stdout, stderr } = await run(name, ['--help']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain(`dregrun -n 2 ${name}.js`);
    for (const word of [
      '--sizes',
      '--allocate',
      '--transport',
      '--quick',
      '--monitor',
      '--rndv',
      '--json',
      '--svg',
      ...modes,
    ])
      expect(stdout).toContain(word);
  });

  it.each([
    [['--sizes', '8,x'], /"x" is no number of bytes/],
    [['--sizes', '4294967296'], /is no number of bytes up to 1073741824/],
    [['--modes', 'slow'], /"slow" is none of sync/],
    [['--transport', 'pigeon'], /"pigeon"/],
    [['--monitor', 'owl'], /--monitor: "owl" is none of auto, dreg/],
    [['--rndv', 'throw'], /--rndv: "throw" is none of auto, get, put, copy/],
    [['--loud'], /--loud/],
  ])('refuses %j with status 2 and the reason', async (words, reason) => {
    const { status, stdout, stderr } = await run(name, words);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(reason);
  });

  it.each([1, 3])('says that it takes two ranks, not %i', async (ranks) => {
    const { status, stderr } = await run(name, [], ranks);
    expect(status).toBe(2);
    expect(stderr).toContain('it takes two ranks');
  });

  it.runIf(canTest('script'))('shows a progress bar on a terminal, then the table', async () => {
    const log = join(folder.path, `${name}.tty`);
    const words = [process.execPath, DREGRUN, '-n', '2', example(name)];
    const line = [...words, '--quick', '--sizes', '8,64'].join(' ');
    execFileSync('script', ['-qfec', line, log], { stdio: 'ignore' });
    expect(existsSync(log)).toBe(true);
    const shown = execFileSync('cat', [log], { encoding: 'utf8' });
    expect(shown).toMatch(/\r░+ 0 %/);
    expect(shown).toMatch(/\r█+ 100 %\r\n/);
    expect(shown.match(/ 64 B /g)).toHaveLength(modes.length);
  });
});
