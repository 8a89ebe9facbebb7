import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../native/addon.ts';
import { dregrun } from '../launch/support.ts';
import { documentedLimits, valueIn } from './limits.ts';

const root = packageRoot();
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** Files below a folder of the repository, by their path in it. */
function filesIn(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));
}

const documents = ['README.md', 'CONTRIBUTING.md', ...filesIn('docs', '.md')];
const sources = [...filesIn('runtime', '.ts'), ...filesIn('transports', '.ts')];

describe('README', () => {
  it('has a first program of about ten lines that does what it says', async () => {
    const [, program] = /```js\n([\s\S]*?)```/.exec(read('README.md'))!;
    expect(program.trim().split('\n').filter(Boolean).length).toBeLessThanOrEqual(10);
    // Within the package, so that it finds the package by its name.
    const folder = mkdtempSync(join(root, 'dist', 'first-'));
    try {
      const path = join(folder, 'first.mjs');
      writeFileSync(path, program);
      const { status, stdout, stderr } = await dregrun(['-n', '4', path]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const lines = stdout.trim().split('\n').sort();
      expect(lines).toEqual(['rank 1 says 1.000', 'rank 2 says 1.414', 'rank 3 says 1.732']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('names commands that there are', () => {
    const { scripts } = JSON.parse(read('package.json'));
    for (const document of documents)
      for (const [command, script] of read(document).matchAll(/npm run (?:-s )?([a-z][\w:-]*)/g))
        expect(scripts, `${document}: ${command}`).toHaveProperty([script]);
  });
});

/** The targets of a document's links within the repository. */
function linksOf(document: string): string[] {
  const targets = Array.from(
    read(document).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g),
    ([, to]) => to,
  );
  return targets.filter((to) => !/^[a-z]+:/.test(to)).map((to) => join(dirname(document), to));
}

it.each(documents)('links of %s lead somewhere', (document) => {
  const dead = linksOf(document).filter((target) => !existsSync(join(root, target)));
  expect(dead).toEqual([]);
});

describe('docs/operating/limits.md', () => {
  const limits = documentedLimits(read('docs/operating/limits.md'));

  it('has limits', () => {
    expect(limits.length).toBeGreaterThan(40);
  });

  it.each(limits)('$name is $value in $file', ({ name, value, file }) => {
    expect(valueIn(read(file), name)).toBe(value);
  });

  it('has every limit that the code exports', () => {
    const named = /^export const ([A-Z_]+(?:_MAX|_MIN|_LIMIT|_MS|_POLLS|_BURST|_TURNS)) = /gm;
    const known = new Set(limits.map(({ name, file }) => `${file} ${name}`));
    const missing = sources.flatMap((file) =>
      Array.from(read(file).matchAll(named), ([, name]) => `${file} ${name}`),
    );
    expect(missing.length).toBeGreaterThan(20);
    expect(missing.filter((limit) => !known.has(limit))).toEqual([]);
  });

  it('has every environment variable that the code reads', () => {
    const text = read('docs/operating/limits.md');
    const found = new Set<string>();
    for (const file of sources)
      for (const [name] of read(file).matchAll(/(?<=(?:environment|env)\.|')DREG_[A-Z_]+(?=\W)/g))
        found.add(name);
    expect(found.size).toBeGreaterThan(5);
    expect([...found].filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });
});
