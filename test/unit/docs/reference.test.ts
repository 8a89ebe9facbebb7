/** The pages of docs/reference are what their sources say, and the generator sees what it is for. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { ERROR_CODES } from '../../../runtime/base/error.ts';
import { exampleOf, examplesIn, readExamples } from '../../tools/examples.ts';
import { between } from '../../tools/markdown.ts';
import { outlineOf, undocumented } from '../../tools/outline.ts';
import { publicModules, referencePages } from '../../tools/reference.ts';
import { environmentTable, errorSections, pagesWithTables } from '../../tools/tables.ts';

const root = packageRoot();
/** Abortable is a part of the DOM's AbortSignal; codecs make bytes of values. */
const BESIDE_THE_STANDARD = ['abortable', 'codec', 'msgpackcodec', 'v8codec'];

describe('docs/reference', () => {
  const pages = new Map([...referencePages(root), ...pagesWithTables(root)]);

  it.each([...pages])('%s is what npm run docs:reference makes of the sources', (path, text) => {
    expect(readFileSync(join(root, path), 'utf8')).toBe(text);
  });

  it('explains everything that a program can use', () => {
    const modules = [...publicModules(root).values()];
    expect(modules.flatMap(undocumented)).toEqual([]);
  });

  const entries = Array.from(publicModules(root), ([entry, module]) =>
    outlineOf(module, entry === '.')
      .flatMap((chapter) => chapter.entries)
      .flatMap((one) => [one, ...one.parts])
      .map((one) => ({ ...one, entry })),
  ).flat();

  it('says which errors each call throws', () => {
    const calls = entries.filter(({ signatures: [first] }) => /^[\w. ]+(<[^(]*>)?\(/.test(first));
    expect(calls.length).toBeGreaterThan(200);
    const silent = calls.filter(({ doc }) => !doc.tags.some(({ name }) => name === 'throws'));
    expect(silent.map(({ title }) => title)).toEqual([]);
  });

  it('cites the standard for each name, but for those that the standard does not have', () => {
    const without = entries.filter(({ entry, section }) => entry === '.' && section.length === 0);
    const names = without.map(({ title }) => title.replace(/\..*/, '').toLowerCase());
    expect(new Set(names)).toEqual(new Set(BESIDE_THE_STANDARD));
  });

  const examples = readExamples(root);

  it('shows an example of each name', () => {
    const without = entries.filter(
      ({ entry, title }) => exampleOf(examples, entry, title) === undefined,
    );
    expect(without.map(({ title }) => title)).toEqual([]);
  });

  it('has the name of each example, and each once', () => {
    const titles = new Set(entries.map(({ entry, title }) => `${entry} ${title}`));
    const shown = examples.flatMap(({ entry, names }) => names.map((name) => `${entry} ${name}`));
    expect(shown.filter((name) => !titles.has(name))).toEqual([]);
    expect(shown.filter((name, at) => shown.indexOf(name) !== at)).toEqual([]);
  });

  it('has each case of the jobs that it shows', () => {
    const words = [join(root, 'dist/programs/jobs/rank.js'), '--list'];
    const jobs: { name: string; cases: string[] }[] = JSON.parse(
      execFileSync(process.execPath, words, { encoding: 'utf8' }),
    );
    const cases = jobs.filter(({ name }) => name.startsWith('reference/'));
    const known = new Set(examples.map(({ names }) => names.join(', ')));
    expect(cases.flatMap((job) => job.cases).filter((name) => !known.has(name))).toEqual([]);
  });

  it('names no error code that there is not', () => {
    const named = [...pages.values()].flatMap((text) => text.match(/(?<=`)ERR_\w+(?=`)/g) ?? []);
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((code) => !(code in ERROR_CODES))).toEqual([]);
  });
});

describe('docs/guide/from-mpi.md', () => {
  const guide = readFileSync(join(root, 'docs/guide/from-mpi.md'), 'utf8');
  const reference = readFileSync(join(root, 'docs/reference/calls.md'), 'utf8');
  const [table, missing] = guide.split('## What is not there');

  it('names calls that there are', () => {
    const uses = /`[^`]*?\b(?:world|comm|request|status|group|MPI|Request)\.(\w+)/g;
    const rows = table.match(/^\| .*$/gm)!.map((row) => row.split(' | ').at(-1)!);
    const named = rows.flatMap((row) => Array.from(row.matchAll(uses), ([, name]) => name));
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((name) => !new RegExp(`\\b${name}\\b`).test(reference))).toEqual([]);
  });

  const [, names] = reference.split("## By MPI's names");

  it("has each of MPI's names that the reference has", () => {
    const known = Array.from(names.matchAll(/^\| `(MPI_\w+)` \|/gm), ([, name]) => name);
    expect(known.length).toBeGreaterThan(150);
    const listed = new Set(table.match(/MPI_\w+/g));
    expect(known.filter((name) => !listed.has(name))).toEqual([]);
  });

  it('calls nothing missing that there is', () => {
    const listed = missing.match(/MPI_\w+/g) ?? [];
    expect(listed.filter((name) => names.includes(`\`${name}\``))).toEqual([]);
  });
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dreg-reference-'));
  const compilerOptions = { target: 'es2023', module: 'nodenext', strict: true, types: [] };
  file('tsconfig.json', JSON.stringify({ compilerOptions, include: ['source'] }));
  file('package.json', JSON.stringify({ type: 'module', exports: ENTRIES }));
  file('source/base.ts', BASE);
  file('source/index.ts', INDEX);
  file('source/more.ts', '/** More. */\n/** Twice {@link x}. */\nexport const x = 2;\n');
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(path: string, text: string): void {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  writeFileSync(join(folder, path), text);
}

const ENTRIES = {
  '.': { types: './dist/source/index.d.ts' },
  './more': { types: './dist/source/more.d.ts' },
  './package.json': './package.json',
};

const BASE = `
/** A base (MPI 4.1, 7.1) that no program sees. */
export abstract class Base {
  /** @internal */
  hidden = 1;
  #secret = 2;
  /** Which one (MPI_Comm_rank). */
  readonly rank: number = this.#secret;
  /**
   * Sends (MPI_Send; MPI 4.1, 3.2.1).
   * @param tag of the message
   * @throws MpiError ERR_RANK where nobody is
   */
  sendSync(buffer: Uint8Array, tag = 0): void {}
  /** {@link sendSync} as a promise. */
  async send(buffer: Uint8Array, tag = 0): Promise<void> {}
  /** Of one. (MPI 4.1, 6.9) */
  reduce(value: number): number;
  /** Of many. */
  reduce(value: readonly number[], alongParameterThatIsLong: string, another: Map<string, number>): number[];
  reduce(value: unknown): unknown { return value; }
  /** Overridden. */
  own(): void {}
  /** What it is called. */
  get name(): string { return ''; }
  set name(name: string) {}
  /** Read alone. */
  get fixed(): number { return 1; }
  protected kept(): void {}
}
class Local extends Base {
  /** Ours. */
  override own(): void {}
  /** Ends it. */
  [Symbol.iterator](): void {}
  static make() { return new Local(); }
}
/** Groups of two (MPI 4.1, 7.6). */
class Inter extends Base {}
export { Local as Communicator, Inter };
`;

const INDEX = `
/**
 * The calls of it.
 *
 * An introduction.
 */
export { Communicator, Inter } from './base.ts';
/** What can be asked. */
export interface Options { /** How long. */ readonly timeout?: number }
/**
 * One, or the other.
 * @typeParam T what it is about
 */
export type Either<T = string> = T extends string ? 'one' : 'other';
/** Makes one. */
export const make = (length: number, fill = 0): Either => 'one';
/** The whole (MPI 4.1, 11.2). */
export const MPI = {
  /** Begins. */
  init(): void {},
  get world(): Either { return 'one'; },
  /** What there is. */
  get self(): Either { return 'one'; },
};
`;

describe('of a package', () => {
  const read = () => referencePages(folder);

  it('each entry with types has a page', () => {
    expect([...read().keys()]).toEqual(['docs/reference/calls.md', 'docs/reference/more.md']);
  });

  it('the module begins the page, and chapters follow each other', () => {
    const page = read().get('docs/reference/calls.md')!;
    expect(page).toMatch(/^# The calls of it\n[\s\S]*\n\nAn introduction\.\n/);
    expect(page.match(/^## .*/gm)).toEqual([
      '## Point-to-point communication',
      '## Collective communication',
      '## Groups and communicators',
      '## Starting and ending',
      '## Beside the standard',
      "## By MPI's names",
    ]);
    expect(page).toContain('| `MPI_Send` | [`communicator.send`](#communicatorsend) |');
    expect(page).toContain(
      '| `MPI_Comm_rank` | [`communicator.rank`](#communicator), [`inter.rank`](#inter) |',
    );
  });

  it('a call of a hidden base stands there once, with its twin and the classes that have it', () => {
    const page = read().get('docs/reference/calls.md')!;
    expect(page.match(/^### .*send$/gm)).toEqual(['### communicator.send']);
    expect(page).toContain(`### communicator.send

\`\`\`ts
send(buffer: Uint8Array, tag = 0): Promise<void>
sendSync(buffer: Uint8Array, tag = 0): void
\`\`\`

Of [\`Communicator\`](#communicator), [\`Inter\`](#inter).

Sends (MPI_Send; MPI 4.1, 3.2.1).

[\`sendSync\`](#communicatorsend) as a promise.

- \`tag\`: of the message
- Throws \`ERR_RANK\` where nobody is
`);
  });

  it('overloads stand together without what implements them, long ones in lines', () => {
    const page = read().get('docs/reference/calls.md')!;
    expect(page).toContain(`\`\`\`ts
reduce(value: number): number
reduce(
  value: readonly number[],
  alongParameterThatIsLong: string,
  another: Map<string, number>,
): number[]
\`\`\``);
    expect(page).not.toContain('value: unknown');
  });

  it('what is internal, private or protected is left out; what is overridden stands there once', () => {
    const page = read().get('docs/reference/calls.md')!;
    expect(page).not.toMatch(/hidden|secret|kept|Local/);
    expect(page.match(/Ours\./g)).toHaveLength(1);
    expect(page).toContain('static make(): Communicator');
    expect(page).toContain('- `[Symbol.iterator](): void`: Ends it.');
    expect(page).toContain('- `name: string`: What it is called.');
    expect(page).toContain('- `readonly fixed: number`: Read alone.');
  });

  it('objects, interfaces, types, functions', () => {
    const page = read().get('docs/reference/calls.md')!;
    expect(page).toContain('### MPI.init\n\n```ts\ninit(): void\n```\n\nBegins.');
    expect(page).toContain('- `MPI.self: Either`: What there is.');
    expect(page).toContain('- `readonly timeout?: number`: How long.');
    expect(page).toContain("type Either<T = string> = T extends string ? 'one' : 'other'\n```");
    expect(page).toContain('- `T`: what it is about');
    expect(page).toContain('```ts\nmake(length: number, fill = 0): Either\n```\n\nMakes one.');
  });
});

it('what no docstring explains is named', () => {
  file('source/more.ts', 'export const x = 2;\n/** Of it. */\nexport class A {\n  b = 1;\n}\n');
  expect(undocumented(publicModules(folder).get('./more')!)).toEqual(['x', 'A: b: number']);
});

describe('parts of pages', () => {
  const source = (doc: string) =>
    `{\n  // ---- Errors of it\n\n  ${doc}\n  ERR_A: 'MPI.init() failed',\n}`;

  test('a group has its heading, a code its section', () => {
    expect(errorSections(source('/** @why so\n * it is @remedy wait */'))).toBe(
      `## Errors of it

### ERR_A

\`MPI.init()\` failed.

- **Why**: So it is.
- **What to do**: Wait.`,
    );
  });

  test('a code that says too little is an error', () => {
    expect(() => errorSections(source('/** @why so */'))).toThrow('ERR_A has no @remedy');
  });

  test('environment variables, in order, of the files that are asked for', () => {
    const sources = new Map([
      [
        'a.ts',
        '/** Not here. */\n/**\n * Reads.\n * @environment B_X | one,\n *   two | does\n */',
      ],
      ['b.ts', '/** @environment A_X | 1 | so */'],
      ['c.ts', '/** @environment C_X | 1 | other */'],
    ]);
    const head = ['variable', 'values', 'what'];
    const table = environmentTable(sources, head, (path) => path !== 'c.ts');
    expect(table.split('\n').slice(2)).toEqual([
      '| `A_X` | 1 | so |',
      '| `B_X` | one, two | does |',
    ]);
    expect(() => environmentTable(sources, ['variable', 'what'], () => true)).toThrow(
      'a.ts: @environment B_X needs: variable | what',
    );
  });

  test('they stand between their marks', () => {
    expect(between('a\n<!-- x: made -->\nold\n<!-- /x -->\nb\n', 'x', 'new')).toBe(
      'a\n<!-- x: made -->\n\nnew\n\n<!-- /x -->\nb\n',
    );
    expect(() => between('a', 'x', 'new')).toThrow('no place between marks: x');
  });
});

test('an example has what its case needs of its file', () => {
  const text = `
import assert from 'node:assert/strict';
import { MPI, type Status, SUM } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';

const { world } = MPI;
/** So many. */
const counts = [
  1,
];
/** Of many. */
function sumOf(list: number[]): number {
  let sum = counts.length;
  return sum;
}

export default defineJob({
  cases: {
    async 'one, other.two'() {
      // With a comment.
      const status: Status = await world.recv(sumOf([1]));
    },
    three() {
      assert.ok(true);
    },
  },
});
`;
  expect(examplesIn(text, '.')).toEqual([
    {
      names: ['one', 'other.two'],
      entry: '.',
      head: "import { MPI, type Status } from 'dreg-mpi';\nconst { world } = MPI;",
      code: `/** So many. */
const counts = [
  1,
];
/** Of many. */
function sumOf(list: number[]): number {
  let sum = counts.length;
  return sum;
}

// With a comment.
const status: Status = await world.recv(sumOf([1]));`,
    },
    {
      names: ['three'],
      entry: '.',
      head: "import assert from 'node:assert/strict';",
      code: 'assert.ok(true);',
    },
  ]);
});
