/** heat2d, train and groupby: what they compute, whoever computes it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it, test } from 'vitest';
import { Groups, makeRows } from '../../../examples/rows.ts';
import { packageRoot } from '../../../native/addon.ts';
import { canTest, DREGRUN, dregrun, temporaryFolder } from '../../tools/launcher.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const example = (name: string) => join(packageRoot(), 'dist/examples', `${name}.js`);
const run = (name: string, ranks: number, words: string[]) =>
  dregrun(['-n', String(ranks), example(name), ...words]);

/** Runs an example in which nothing fails; its JSON lines. */
async function rowsOf(name: string, ranks: number, words: string[]) {
  const { status, stdout, stderr } = await run(name, ranks, ['--json', ...words]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** Width, height and pixels of a picture, as another program reads them. */
function pixelsOf(path: string): { width: number; height: number; pixels: number[] } {
  const script = `
import json, struct, sys, zlib
data = open(sys.argv[1], 'rb').read()
assert data[:8] == b'\\x89PNG\\r\\n\\x1a\\n'
at, chunks = 8, {}
while at < len(data):
    length, kind = struct.unpack('>I4s', data[at:at + 8])
    body = data[at + 8:at + 8 + length]
    assert zlib.crc32(kind + body) == struct.unpack('>I', data[at + 8 + length:at + 12 + length])[0]
    chunks[kind.decode()] = body
    at += 12 + length
width, height, depth, colours = struct.unpack('>IIBB', chunks['IHDR'][:10])
assert (depth, colours) == (8, 2) and 'IEND' in chunks
raw = zlib.decompress(chunks['IDAT'])
rows = [raw[y * (3 * width + 1):(y + 1) * (3 * width + 1)] for y in range(height)]
assert all(row[0] == 0 for row in rows)
print(json.dumps({'width': width, 'height': height, 'pixels': list(b''.join(row[1:] for row in rows))}))`;
  return JSON.parse(execFileSync('python3', ['-c', script, path], { encoding: 'utf8' }));
}

describe('heat2d', () => {
  const words = ['--size', '40', '--steps', '25'];

  it('computes the same field with any number of ranks', async () => {
    const pictures: Buffer[] = [];
    for (const ranks of [1, 6]) {
      const png = join(folder.path, `heat${ranks}.png`);
      const rows = await rowsOf('heat2d', ranks, [...words, '--png', png]);
      expect(rows.map(({ step }) => step)).toEqual([3, 6, 9, 12, 15, 18, 21, 24, 25]);
      for (const { change, cellsPerSecond } of rows) {
        expect(change).toBeGreaterThan(0);
        expect(cellsPerSecond).toBeGreaterThan(0);
      }
      pictures.push(readFileSync(png));
    }
    for (const picture of pictures) expect(picture.equals(pictures[0])).toBe(true);
    const { width, height, pixels } = pixelsOf(join(folder.path, 'heat6.png'));
    expect([width, height, pixels.length]).toEqual([40, 40, 40 * 40 * 3]);
    // Cold in the corner, hot in the middle of the largest spot.
    expect(pixels.slice(0, 3)).toEqual([0, 0, 0]);
    const middle = 3 * (26 * 40 + 17);
    expect(pixels.slice(middle, middle + 2)).toEqual([255, 255]);
  });

  it.runIf(canTest('script'))('shows its progress on a terminal', () => {
    const log = join(folder.path, 'heat.tty');
    const line = [process.execPath, DREGRUN, '-n', '2', example('heat2d'), ...words].join(' ');
    execFileSync('script', ['-qfec', line, log], { stdio: 'ignore' });
    const shown = readFileSync(log, 'utf8');
    expect(shown).toMatch(/\r░+ 0 %/);
    expect(shown).toMatch(/\r█+ 100 %\r\n/);
    expect(shown).toMatch(/ 25 .* \d+e-\d|change/);
  });
});

describe('train', () => {
  const words = ['--epochs', '4', '--hidden', '16'];
  const learned = (rows: { epoch: number; loss: number; right: number }[]) =>
    rows.map(({ epoch, loss, right }) => ({ epoch, loss, right }));

  it('learns, and has the same loss in every bit on every run', async () => {
    const svg = join(folder.path, 'loss.svg');
    const first = await rowsOf('train', 3, [...words, '--svg', svg]);
    expect(learned(await rowsOf('train', 3, words))).toEqual(learned(first));
    expect(first.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
    expect(first[3].loss).toBeLessThan(first[0].loss / 2);
    expect(first[3].right).toBeGreaterThan(0.75);
    expect(readFileSync(svg, 'utf8')).toContain('</svg>');
    // With another number of ranks the last bits are others.
    for (const [i, { loss }] of (await rowsOf('train', 1, words)).entries())
      expect(loss).toBeCloseTo(first[i].loss, 3);
  });

  it('refuses a batch of which ranks cannot have the same share', async () => {
    const { status, stdout, stderr } = await run('train', 3, ['--batch', '160']);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain('--batch: 160 ');
  });
});

describe('groupby', () => {
  it('has the same groups and sums by alltoallv and over IPC', async () => {
    const svg = join(folder.path, 'groupby.svg');
    const rows = await rowsOf('groupby', 3, ['--rows', '1,20000', '--repeat', '2', '--svg', svg]);
    expect(rows.map(({ way, rows }) => [way, rows])).toEqual([
      ['alltoallv', 1],
      ['alltoallv', 20000],
      ['ipc', 1],
      ['ipc', 20000],
    ]);
    const sums = ({ groups, check }: { groups: number; check: number }) => ({ groups, check });
    expect(sums(rows[2])).toEqual(sums(rows[0]));
    expect(sums(rows[3])).toEqual(sums(rows[1]));
    const all = new Groups();
    for (const rank of [0, 1, 2]) all.add(makeRows(20000, rank, 3));
    expect(sums(rows[1])).toEqual(all.result);
    expect(readFileSync(svg, 'utf8').match(/<polyline/g)).toHaveLength(2);
  });

  it('refuses a way that there is not', async () => {
    const { status, stderr } = await run('groupby', 2, ['--ways', 'pigeon']);
    expect(status).toBe(2);
    expect(stderr).toMatch(/"pigeon" is none of alltoallv, ipc/);
  });
});

test.each([
  ['heat2d', ['--size', '--steps', '--png', '--json']],
  ['train', ['--epochs', '--hidden', '--batch', '--json', '--svg']],
  ['groupby', ['--rows', '--ways', '--repeat', '--json', '--svg']],
])('%s explains itself, refuses what it does not know, and prints a table', async (name, words) => {
  const { status, stdout, stderr } = await run(name, 2, ['--help']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  for (const word of [`dregrun -n`, `${name}.js`, ...words]) expect(stdout).toContain(word);
  const refused = await run(name, 2, ['--loud']);
  expect({ status: refused.status, stdout: refused.stdout }).toEqual({ status: 2, stdout: '' });
  expect(refused.stderr).toMatch(/--loud/);
});

test.each([
  ['heat2d', ['--size', '16', '--steps', '2'], /^ +step .* cells\n +1 .*\n +2 .*\n$/],
  ['train', ['--epochs', '1', '--hidden', '4'], /^ +epoch .* time\n +1 .* %.* ms\n$/],
  ['groupby', ['--rows', '9', '--repeat', '1'], /^ +way .* speed\n +alltoallv .*\n +ipc .*\n$/],
])('%s prints a table without --json', async (name, words, table) => {
  const { status, stdout } = await run(name, 1, words);
  expect(status).toBe(0);
  expect(stdout).toMatch(table);
});
