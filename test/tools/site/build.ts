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
import { ERROR_CODES } from '../../../runtime/base/error.ts';
import { readCommandLine } from '../command-line.ts';
import { readExamples } from '../examples.ts';
import { anchorOf } from '../markdown.ts';
import { publicEntries } from '../reference.ts';
import { siteExamples } from './examples.ts';
import { GROUPS, type SitePage, sitePages } from './pages.ts';

const ERRORS = 'docs/reference/errors.md';
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
    const require = createRequire(join(root, 'test/tools/site/package.json'));
    writeFileSync(options, configuration(settings(root, folder, pages, out), root, require));
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
    writeFileSync(join(folder, path), head.join('\n') + withCodesLinked(path, text));
  }
  for (const part of ['runtime', 'transports', 'native'])
    for (const name of readdirSync(join(root, 'dist', part), { recursive: true, encoding: 'utf8' }))
      if (name.endsWith('.d.ts')) copyTypes(root, folder, join('dist', part, name));
  for (const { name, types } of publicEntries(root)) {
    const text = `/**\n * What \`import … from '${name}'\` gives.\n * @module ${name}\n */\n`;
    writeFileSync(entryOf(folder, name), `${text}export * from '${types}';\n`);
  }
}

/** Each error code in words leads to its section. */
function withCodesLinked(path: string, text: string): string {
  if (path === ERRORS) return text;
  const to = relative(dirname(path), ERRORS);
  // Nor within code, headings and links.
  return text.replace(/^```[\s\S]*?^```|^#.*|\[[^\]]*\]\([^)]*\)|`(ERR_[A-Z_]+)`/gm, (all, code) =>
    code in ERROR_CODES ? `[${all}](${to}#${anchorOf(code)})` : all,
  );
}

/** Docstrings link to other pages as from docs/reference, where these pages have them, and to error codes. */
function copyTypes(root: string, folder: string, path: string): void {
  const to = join(folder, path);
  const reference = relative(dirname(path), 'docs/reference');
  const text = readFileSync(join(root, path), 'utf8').replace(/\/\*\*[\s\S]*?\*\//g, (comment) =>
    comment
      .replace(/\]\(([^)\s:#]+\.md)/g, (_all, page) => `](${join(reference, page)}`)
      .replace(/(`?)\b(ERR_[A-Z_]+)\b\1/g, (all, _quote, code) =>
        code in ERROR_CODES
          ? `[\`${code}\`](${join(reference, 'errors.md')}#${anchorOf(code)})`
          : all,
      ),
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

/** A module of options: some are functions. */
function configuration(options: object, root: string, require: NodeJS.Require): string {
  const url = (path: string | URL) => JSON.stringify(pathToFileURL(String(path)));
  const beside = (name: string) => JSON.stringify(new URL(name, import.meta.url));
  const examples = JSON.stringify(siteExamples(root, readExamples(root)));
  return `import * as typedoc from ${url(require.resolve('typedoc'))};
import { codeInHeadings } from ${beside('code-in-headings.js')};
import { showExamples } from ${beside('examples.js')};
export default {
  ...${JSON.stringify(options)},
  markdownItLoader: codeInHeadings,
  plugin: [showExamples(typedoc, ${examples})],
};
`;
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
