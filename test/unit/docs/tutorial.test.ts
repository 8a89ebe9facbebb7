/** The tutorial's programs do what it says; what it shows is what they print, and the picture is theirs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { dregrun, start } from '../../tools/launcher.ts';
import { Project } from '../package/support.ts';

const root = packageRoot();
const page = readFileSync(join(root, 'docs/start/tutorial.md'), 'utf8');
/** By the name that was said last before each. */
const programs = new Map(
  Array.from(page.matchAll(/```js\n([\s\S]*?)```/g), ({ index, 1: text }) => {
    const names = [...page.slice(0, index).matchAll(/`(\w+\.mjs)`/g)];
    return [names.at(-1)![1], text];
  }),
);
const shown = Array.from(page.matchAll(/```text\n([\s\S]*?)```/g), ([, text]) => text);
const [picture, shares, work] = shown;
const sorted = (text: string) => text.trim().split('\n').sort();

let project: Project;
beforeAll(() => {
  project = new Project();
  project.link('dreg-mpi', root);
  for (const [name, text] of programs) project.file(name, text);
});
afterAll(() => project.remove());

async function run(name: string, ranks = 4): Promise<string> {
  const ended = await dregrun(['-n', `${ranks}`, name], { cwd: project.folder });
  expect({ status: ended.status, stderr: ended.stderr }).toEqual({ status: 0, stderr: '' });
  return ended.stdout;
}

describe('docs/start/tutorial.md', () => {
  test('has its programs, in six steps', () => {
    expect([...programs.keys()]).toEqual([
      'mandelbrot.mjs',
      'one.mjs',
      'share.mjs',
      'gather.mjs',
      'uneven.mjs',
      'farm.mjs',
      'png.mjs',
      'picture.mjs',
    ]);
    expect(page.match(/^## \d\. /gm)).toHaveLength(6);
    expect(shown).toHaveLength(3);
  });

  test('one process', async () => {
    const { stdout } = await start(process.execPath, ['one.mjs'], { cwd: project.folder }).ended;
    expect(stdout).toBe(picture);
  });

  test('rows are shared, and cost as much as it says', async () => {
    expect(sorted(await run('share.mjs'))).toEqual(sorted(shares));
    expect(sorted(await run('uneven.mjs'))).toEqual(sorted(work));
  });

  test.each([
    ['gather.mjs', 4],
    ['gather.mjs', 5],
    ['farm.mjs', 4],
    ['farm.mjs', 2],
  ])('%s prints the picture with %i ranks', async (name, ranks) => {
    expect(await run(name, ranks)).toBe(picture);
  });

  test('the picture is the one that it shows', async () => {
    expect(await run('picture.mjs')).toBe('mandelbrot.png: 800 x 600 by 4 ranks\n');
    const [here, made] = [join(root, 'docs/figures'), project.folder].map((folder) =>
      readFileSync(join(folder, 'mandelbrot.png')),
    );
    // How pixels are packed depends on the version of zlib.
    const pixels = inflateSync(chunkOf(here, 'IDAT'));
    expect(pixels.length).toBe(600 * (800 + 1));
    expect(inflateSync(chunkOf(made, 'IDAT')).equals(pixels)).toBe(true);
    expect(chunkOf(made, 'PLTE').equals(chunkOf(here, 'PLTE'))).toBe(true);
  });
});

/** Of a PNG that has one of that name. */
function chunkOf(bytes: Buffer, name: string): Buffer {
  const at = bytes.indexOf(name);
  return bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at - 4));
}
