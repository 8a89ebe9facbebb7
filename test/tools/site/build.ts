#!/usr/bin/env node
/** `npm run docs`: the site, from the Markdown in docs/ and the package's types, by TypeDoc. */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../../native/addon.ts';
import { readCommandLine } from '../command-line.ts';
import { publicEntries } from '../reference.ts';
import { GROUPS, type SitePage, sitePages } from './pages.ts';

/** What pages link to, beside each other: shown as it is. */
const LINKED = ['LICENSE', 'examples', 'kernel', 'native', 'runtime', 'test', 'transports'];

/**
 * Makes the site.
 * @throws Error with TypeDoc's words where it finds something wrong
 */
export function buildSite(root: string, out: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'dreg-site-'));
  try {
    const pages = sitePages(root);
    stage(root, folder, pages);
    const options = join(folder, 'typedoc.config.mjs');
    const chosen = JSON.stringify(settings(root, folder, pages, out));
    writeFileSync(
      options,
      `import { codeInHeadings } from ${JSON.stringify(new URL('code-in-headings.js', import.meta.url))};
export default { ...${chosen}, markdownItLoader: codeInHeadings };\n`,
    );
    const require = createRequire(join(root, 'test/tools/site/package.json'));
    const typedoc = join(dirname(require.resolve('typedoc/package.json')), 'bin/typedoc');
    const words = [typedoc, '--options', options];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`TypeDoc has failed:\n${stdout}${stderr}`);
    const mermaid = dirname(require.resolve('@mermaid-js/tiny/package.json'));
    copyFileSync(join(mermaid, 'dist/mermaid.tiny.js'), join(out, 'assets/mermaid.js'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Lays out what TypeDoc reads as it lies in the repository, so that links lead where they lead there. */
function stage(root: string, folder: string, pages: readonly SitePage[]): void {
  for (const name of LINKED) symlinkSync(join(root, name), join(folder, name));
  cpSync(join(root, 'docs'), join(folder, 'docs'), { recursive: true });
  cpSync(join(root, 'README.md'), join(folder, 'README.md'));
  for (const { path, title, group, text } of pages) {
    const head = ['---', `title: ${JSON.stringify(title)}`, `group: ${group}`, '---', ''];
    writeFileSync(join(folder, path), head.join('\n') + text);
  }
  for (const part of ['runtime', 'transports', 'native'])
    for (const name of readdirSync(join(root, 'dist', part), { recursive: true, encoding: 'utf8' }))
      if (name.endsWith('.d.ts')) copyTypes(root, folder, join('dist', part, name));
  for (const { name, types } of publicEntries(root)) {
    const text = `/**\n * What \`import … from '${name}'\` gives.\n * @module ${name}\n */\n`;
    writeFileSync(entryOf(folder, name), `${text}export * from '${types}';\n`);
  }
}

/** Docstrings link to other pages as from docs/reference, where these pages have them. */
function copyTypes(root: string, folder: string, path: string): void {
  const to = join(folder, path);
  const reference = join(folder, 'docs/reference');
  const text = readFileSync(join(root, path), 'utf8').replace(
    /\]\(([^)\s:#]+\.md)/g,
    (_all, page) => `](${relative(dirname(to), join(reference, page))}`,
  );
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, text);
}

const entryOf = (folder: string, name: string) => join(folder, `${name.replaceAll('/', '-')}.ts`);

function settings(root: string, folder: string, pages: readonly SitePage[], out: string) {
  const entryPoints = publicEntries(root).map(({ name }) => entryOf(folder, name));
  const tsconfig = join(folder, 'tsconfig.json');
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable', 'dom'],
    strict: true,
    skipLibCheck: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  };
  writeFileSync(tsconfig, JSON.stringify({ compilerOptions, files: entryPoints }));
  const here = join(root, 'test/tools/site');
  return {
    entryPoints,
    tsconfig,
    out,
    name: 'dreg-mpi',
    readme: join(folder, 'README.md'),
    headings: { readme: false },
    projectDocuments: pages.map(({ path }) => join(folder, path)),
    groupOrder: [...GROUPS, 'Modules'],
    navigation: { includeGroups: true, includeCategories: false },
    customCss: join(here, 'custom.css'),
    customJs: join(here, 'custom.js'),
    ignoredHighlightLanguages: ['mermaid'],
    highlightLanguages: ['c', 'diff', 'javascript', 'json', 'shell', 'typescript'],
    searchInComments: true,
    searchInDocuments: true,
    disableSources: true,
    excludeInternal: true,
    excludePrivate: true,
    excludeProtected: true,
    // The build has checked the types.
    skipErrorChecking: true,
    // Docstrings speak of what is not exported, too; test/unit/docs/site.full.test.ts checks all links.
    validation: { notExported: false, invalidLink: false, invalidPath: true },
    treatWarningsAsErrors: true,
    hideGenerator: true,
    githubPages: false,
  };
}

const HELP = `usage: npm run docs -- [options]

Makes the site, which needs no server: open site/index.html.

  --out DIR  where it goes (default site); what is in there is removed first
  --help
`;

function main(): void {
  const chosen = readCommandLine({
    name: 'docs',
    help: HELP,
    options: { out: { type: 'string', default: 'site' } },
    read: ({ out }) => ({ out: resolve(out as string) }),
  });
  if (chosen === null) return;
  buildSite(packageRoot(), chosen.out);
  process.stdout.write(`${join(chosen.out, 'index.html')}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
