/** The site: all pages are in its menu, and all links of what is made lead somewhere, without a network. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { ERROR_CODES } from '../../../runtime/base/error.ts';
import { DREGRUN, start } from '../../tools/launcher.ts';
import { publicModules } from '../../tools/reference.ts';
import { GROUPS, sitePages } from '../../tools/site/pages.ts';

const root = packageRoot();
const pages = sitePages(root);

describe('pages', () => {
  it('begin with what to read first, and each group has some', () => {
    const paths = pages.map(({ path }) => path);
    expect(paths.slice(0, 3)).toEqual([
      'docs/README.md',
      'docs/start/first-program.md',
      'docs/start/tutorial.md',
    ]);
    expect(new Set(pages.map(({ group }) => group))).toEqual(new Set(GROUPS));
  });

  it('have names of their own', () => {
    const titles = pages.map(({ title, group }) => `${group}: ${title}`);
    expect(new Set(titles).size).toBe(titles.length);
  });
});

describe('npm run docs', () => {
  let folder: string;
  let files: Map<string, string>;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dreg-site-test-'));
    const build = join(dirname(DREGRUN), '../test/tools/site/build.js');
    const { status, stderr } = await start(process.execPath, [build, '--out', folder]).ended;
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    files = new Map(
      names
        .filter((name) => name.endsWith('.html'))
        .map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
    );
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const decode = (text: string) =>
    decodeURIComponent(text.replaceAll('&quot;', '"').replaceAll('&amp;', '&'));
  const idsOf = (text: string) =>
    new Set(Array.from(text.matchAll(/ (?:id|name)="([^"]*)"/g), ([, id]) => decode(id)));

  it('links lead somewhere', () => {
    const ids = new Map(Array.from(files, ([name, text]) => [name, idsOf(text)]));
    const dead: string[] = [];
    let seen = 0;
    for (const [name, text] of files)
      for (const [, to] of text.matchAll(/ (?:href|src)="([^"]*)"/g)) {
        if (/^[a-z]+:/.test(to)) continue;
        seen++;
        const [path, anchor] = to.split('#').map(decode);
        const file = path === '' ? name : join(dirname(name), path);
        const known = ids.get(file);
        const isThere = known === undefined ? existsSync(join(folder, file)) : true;
        if (!isThere || (anchor && known !== undefined && !known.has(anchor)))
          dead.push(`${name}: ${to}`);
      }
    expect(seen).toBeGreaterThan(10_000);
    expect(dead).toEqual([]);
  });

  it('loads nothing from a network', () => {
    const loads = /<(?:script|img|link|iframe)\b[^>]* (?:src|href)="https?:/;
    expect([...files].filter(([, text]) => loads.test(text)).map(([name]) => name)).toEqual([]);
  });

  it('has every page, every public name, and a place for every error code', () => {
    const documents = [...files.keys()].filter((name) => name.startsWith('documents/'));
    expect(documents.length).toBe(pages.length);
    const errors = idsOf(files.get('documents/Errors.html') ?? '');
    const codes = Object.keys(ERROR_CODES).map((code) => code.toLowerCase());
    expect(codes.filter((code) => !errors.has(code))).toEqual([]);
    const names = [...publicModules(root).values()].flatMap(({ exports }) =>
      exports.map(({ name }) => name),
    );
    const made = [...files.keys()].map((name) => /\.(\w+)\.html$/.exec(name)?.[1]);
    expect(names.filter((name) => !made.includes(name))).toEqual([]);
  });

  it('shows an example of each name', () => {
    const pages = new Map(
      Array.from(files, ([name, text]) => [/\.(\w+)\.html$/.exec(name)?.[1], text]),
    );
    const names = [...publicModules(root).values()].flatMap(({ exports }) =>
      exports.map(({ name }) => name),
    );
    const without = names.filter((name) => !pages.get(name)?.includes('tsd-tag-example'));
    expect(without).toEqual([]);
  });

  it('has what draws its diagrams, and pages that have some', () => {
    expect(existsSync(join(folder, 'assets/mermaid.js'))).toBe(true);
    const drawn = [...files.values()].filter((text) => text.includes('<code class="mermaid">'));
    expect(drawn.length).toBeGreaterThan(3);
  });
});
