import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { addressOf, ERROR_CODES, type ErrorCode } from '../../../runtime/base/error.ts';
import { figures } from '../../tools/figures.ts';
import { dregrun } from '../../tools/launcher.ts';
import { documentedLimits, valueIn } from '../../tools/limits.ts';
import { anchorOf } from '../../tools/markdown.ts';

const root = packageRoot();
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** Files below a folder of the repository, by their path in it. */
function filesIn(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));
}

const documents = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...filesIn('docs', '.md')];
const sources = [...filesIn('runtime', '.ts'), ...filesIn('transports', '.ts')];

/** The programs of a document, in order. */
const programsOf = (document: string) =>
  Array.from(read(document).matchAll(/```js\n(import [\s\S]*?)```/g), ([, program]) => program);

const ROOTS = ['rank 1 says 1.000', 'rank 2 says 1.414', 'rank 3 says 1.732'];
const SUMS = [0, 1, 2, 3].map((rank) => `rank ${rank} has the sum 6`);
const COUNTED = ['1: one', '2: two', '3: three'];
const PARTS = [1, 2, 3].map((rank) => `rank ${rank} has done part ${rank}: ${rank * 1000}`);
const HEARD = [0, 1, 2, 3].map((rank) => `rank ${rank} heard of ${(rank + 3) % 4}`);
const COLUMNS = [0, 1, 2, 3].map((rank) => `rank ${rank} has ${(rank + 3) % 4} and 24 bytes`);
const WORKERS = [1, 2, 3].map((rank) => `rank ${rank} is worker ${rank}`);
const COMMUNICATORS = [
  [0, 1, 2, 3].map((rank) => `rank ${rank} is ${rank % 2} of 2, beside ${rank ^ 1}`),
  ['rank 1 is 0 in 1 3', 'rank 3 is 1 in 1 3'],
  [0, 1, 2, 3].map((rank) => `rank ${rank}: 4 and 6`),
  [0, 1, 2].map((rank) => `client ${rank} got ${2 * rank}`),
];
const MOVED = [
  [0, 1, 2, 3].map((rank) => `rank ${rank}: 0.5 100, squares 0 1 4 9`),
  [0, 1, 2, 3].map((rank) => `rank ${rank}: 122333, 0 1 2 3`),
  ['2 xxx'],
  ['2 12 22 32'],
];
const NEIGHBORS = [
  [
    'rank 0 at 0,0: below 2, right 1',
    'rank 1 at 0,1: below 3, right -2',
    'rank 2 at 1,0: below 0, right 3',
    'rank 3 at 1,1: below 1, right -2',
  ],
  [0, 1, 2, 3].map((rank) => `rank ${rank}: above ${`${rank ^ 2}`.repeat(3)}, left ${rank ^ 1}`),
  [0, 1, 2, 3].map((rank) => `rank ${rank} has ${(rank + 3) % 4}`),
];
const REDUCED = [
  [0, 1, 2, 3].map((rank) => `rank ${rank}: 1.5, 1.5, ${rank}`),
  ['0, exactly 2'],
  ['5.477, 1234'],
];

it.each([
  { document: 'README.md', prints: [ROOTS] },
  { document: 'docs/start/first-program.md', prints: [ROOTS, SUMS] },
  { document: 'docs/guide/from-child-process.md', prints: [WORKERS] },
  { document: 'docs/guide/point-to-point.md', prints: [ROOTS, COUNTED, SUMS] },
  { document: 'docs/guide/objects.md', prints: [PARTS, HEARD] },
  { document: 'docs/guide/layouts.md', prints: [COLUMNS] },
  { document: 'docs/guide/communicators.md', prints: COMMUNICATORS },
  { document: 'docs/guide/collectives.md', prints: MOVED },
  { document: 'docs/guide/reductions.md', prints: REDUCED },
  { document: 'docs/guide/topologies.md', prints: NEIGHBORS },
])('programs of $document do what the page says', async ({ document, prints }) => {
  const programs = programsOf(document);
  expect(programs.length).toBe(prints.length);
  // Within the package, so that they find the package by its name.
  const folder = mkdtempSync(join(root, 'dist', 'page-'));
  try {
    for (const [at, program] of programs.entries()) {
      const path = join(folder, `program${at}.mjs`);
      writeFileSync(path, program);
      const { status, stdout, stderr } = await dregrun(['-n', '4', path]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout.trim().split('\n').sort()).toEqual(prints[at]);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe('README', () => {
  it('has a first program of about ten lines', () => {
    const [program] = programsOf('README.md');
    expect(program.trim().split('\n').filter(Boolean).length).toBeLessThanOrEqual(10);
  });

  it('names commands that there are', () => {
    const { scripts } = JSON.parse(read('package.json'));
    for (const document of documents)
      for (const [command, script] of read(document).matchAll(/npm run (?:-s )?([a-z][\w:-]*)/g))
        expect(scripts, `${document}: ${command}`).toHaveProperty([script]);
  });
});

/** A document's links within the repository: the file, and the heading if one is named. */
function linksOf(document: string): { file: string; anchor: string | undefined }[] {
  const links = Array.from(read(document).matchAll(/\]\(([^)#\s]*)(?:#([^)]*))?\)/g));
  return links
    .filter(([, to]) => !/^[a-z]+:/.test(to))
    .map(([, to, anchor]) => ({
      file: to === '' ? document : join(dirname(document), to),
      anchor,
    }));
}

const anchors = new Map<string, Set<string>>();

/** A document's headings, as links name them: a second one of that name has `-1`. */
function anchorsOf(document: string): Set<string> {
  const known = anchors.get(document);
  if (known !== undefined) return known;
  const text = read(document).replace(/^```[\s\S]*?^```/gm, '');
  const found: string[] = [];
  for (const [, heading] of text.matchAll(/^#+ (.*)$/gm)) {
    const anchor = anchorOf(heading);
    const before = found.filter((one) => one.replace(/-\d+$/, '') === anchor).length;
    found.push(before === 0 ? anchor : `${anchor}-${before}`);
  }
  const all = new Set(found);
  anchors.set(document, all);
  return all;
}

it.each(documents)('links of %s lead somewhere', (document) => {
  const dead = linksOf(document).filter(
    ({ file, anchor }) =>
      !existsSync(join(root, file)) || (anchor !== undefined && !anchorsOf(file).has(anchor)),
  );
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
});

describe('docs/reference', () => {
  const rows = (page: string) =>
    read(`docs/reference/${page}.md`)
      .match(/^\|.*$/gm)!
      .join('\n');

  it('has every environment variable that the code reads', () => {
    const text = rows('environment');
    const found = new Set<string>();
    for (const file of sources)
      for (const [name] of read(file).matchAll(/(?<=(?:environment|env)\.|')DREG_[A-Z_]+(?=\W)/g))
        found.add(name);
    expect(found.size).toBeGreaterThan(5);
    expect([...found].filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  it('has every error code, and no other', () => {
    const page = read('docs/reference/errors.md');
    const codes = Array.from(page.matchAll(/^### (ERR_\w+)$/gm), ([, code]) => code);
    expect(codes.sort()).toEqual(Object.keys(ERROR_CODES).sort());
  });

  it.each(Object.keys(ERROR_CODES) as ErrorCode[])('explains %s at its address', (code) => {
    const [file, anchor] = addressOf(code)
      .replace(/^dreg-mpi\//, '')
      .split('#');
    expect(anchorsOf(file)).toContain(anchor);
  });
});

describe('figures of performance pages', () => {
  it.each([...figures(root)])(
    '%s shows what the tables say (npm run docs:figures)',
    (path, svg) => {
      expect(read(path)).toBe(svg);
    },
  );
});
