#!/usr/bin/env node
/**
 * `npm run docs:reference`: docs/reference/calls.md, and a page for each further entry of the package, from
 * the docstrings; and the tables of tables.ts.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../native/addon.ts';
import { readCommandLine } from './command-line.ts';
import { type Doc, type Member, type Module, readModules } from './declarations.ts';
import { type Example, exampleOf, readExamples } from './examples.ts';
import { anchorOf } from './markdown.ts';
import { type Chapter, type Entry, everythingIn, outlineOf } from './outline.ts';
import { pagesWithTables } from './tables.ts';

const FOLDER = 'docs/reference';
/** A longer signature has a line for each parameter. */
const LINE_MAX = 100;

/** Pages by path. */
export function referencePages(root: string): Map<string, string> {
  const examples = readExamples(root);
  return new Map(
    Array.from(publicModules(root), ([entry, module]) => {
      const name = entry === '.' ? 'calls' : entry.slice('./'.length);
      return [`${FOLDER}/${name}.md`, new Page(module, entry, examples).text()];
    }),
  );
}

/** What programs import: by which name, and where its types are. */
export function publicEntries(root: string): { entry: string; name: string; types: string }[] {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.entries<{ types?: string }>(exports).flatMap(([entry, { types }]) =>
    types === undefined ? [] : [{ entry, name: join(name ?? '', entry), types }],
  );
}

/** The modules that programs import, by their names in package.json's `exports`. */
export function publicModules(root: string): Map<string, Module> {
  const entries = publicEntries(root);
  const sources = entries.map(({ types }) => types.replace('./dist/', '').replace('.d.ts', '.ts'));
  const modules = readModules(root, sources);
  return new Map(entries.map(({ entry }, at) => [entry, modules[at]]));
}

class Page {
  readonly #module: Module;
  readonly #chapters: Chapter[];
  readonly #entry: string;
  readonly #examples: readonly Example[];
  /** Headings by what a docstring may call them. */
  readonly #titles = new Map<string, string>();
  readonly #anchors = new Map<string, string>();

  /** @param entry of the package; that of the package's own name has MPI's chapters */
  constructor(module: Module, entry: string, examples: readonly Example[]) {
    this.#module = module;
    this.#entry = entry;
    this.#examples = examples;
    this.#chapters = outlineOf(module, entry === '.');
    const taken = new Map<string, number>();
    for (const { title, owners } of this.#entries()) {
      const bare = title.replace(/^.*\./, '');
      const full = owners.map((owner) => `${owner}.${bare}`);
      for (const name of [bare, ...full, title])
        for (const twin of [name, `${name}Sync`]) this.#titles.set(twin, title);
      const anchor = anchorOf(title);
      const before = taken.get(anchor) ?? 0;
      taken.set(anchor, before + 1);
      this.#anchors.set(title, before === 0 ? anchor : `${anchor}-${before}`);
    }
  }

  text(): string {
    const [title, ...intro] = this.#module.doc.text.split('\n\n');
    const parts = [
      `# ${title.replace(/\.$/, '')}`,
      '<!-- Made by npm run docs:reference from the docstrings. Change those, not this page. -->',
      ...intro.map((part) => this.#prose(part)),
      this.#contents(),
      ...this.#chapters.map((chapter) => this.#chapter(chapter)),
      ...this.#standardNames(),
    ];
    return `${parts.join('\n\n')}\n`;
  }

  #entries(): Entry[] {
    return this.#chapters.flatMap(({ entries }) => entries).flatMap((one) => [one, ...one.parts]);
  }

  #contents(): string {
    const lines = this.#chapters.map(({ title, entries }) => {
      const links = entries.map(({ title: name, parts }) => {
        const inside = parts.map((part) => this.#link(part.title, part.title.replace(/^.*\./, '')));
        return this.#link(name) + (inside.length === 0 ? '' : ` (${inside.join(', ')})`);
      });
      return links.length === 0
        ? ''
        : `- ${this.#headed ? `[${title}](#${anchorOf(title)}): ` : ''}${links.join(', ')}`;
    });
    return lines.join('\n');
  }

  /** A page of one chapter does without a heading for it. */
  get #headed(): boolean {
    return this.#chapters.length > 1;
  }

  #chapter({ title, entries }: Chapter): string {
    const head = this.#headed ? [`## ${title}`] : [];
    const level = this.#headed ? '###' : '##';
    return [...head, ...entries.map((entry) => this.#section(entry, level))].join('\n\n');
  }

  #section({ title, signatures, doc, owners, properties, parts }: Entry, level: string): string {
    const text = [`${level} ${title}`];
    if (signatures.length > 0) text.push(`\`\`\`ts\n${signatures.map(inLines).join('\n')}\n\`\`\``);
    if (owners.length > 1) text.push(`Of ${owners.map((one) => this.#link(one)).join(', ')}.`);
    if (doc.text !== '') text.push(this.#prose(doc.text, owners));
    const told = [...this.#tags(doc, owners), ...properties.map((one) => this.#property(one))];
    if (told.length > 0) text.push(told.join('\n'));
    const example = this.#example(title);
    if (example !== undefined) text.push(example);
    return [...text, ...parts.map((part) => this.#section(part, `${level}#`))].join('\n\n');
  }

  /** The code, or where the page has it. */
  #example(title: string): string | undefined {
    const example = exampleOf(this.#examples, this.#entry, title);
    if (example === undefined) return undefined;
    const { names, entry, code } = example;
    const isHere = names[0] === title || entry !== this.#entry;
    return isHere ? `\`\`\`ts\n${code}\n\`\`\`` : `Example: ${this.#link(names[0])}.`;
  }

  #tags({ tags }: Doc, owners: readonly string[]): string[] {
    return tags.map(({ name, text }) => {
      const [, first, rest] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? ['', text, ''];
      if (name === 'param' || name === 'typeParam')
        return this.#prose(`- \`${first}\`: ${rest}`, owners);
      if (name === 'returns') return this.#prose(`- Returns ${text}`, owners);
      if (name === 'throws') return this.#prose(`- ${throwsText(text)}`, owners);
      throw new Error(`a public docstring has @${name}, for which the reference has no place`);
    });
  }

  #property({ signatures, doc, isStatic }: Member): string {
    const text = [
      doc.text.replace(/\s+/g, ' '),
      ...doc.tags.map((tag) => `${throwsText(tag.text)}.`),
    ];
    const said = this.#prose(text.filter(Boolean).join(' '));
    return `- \`${isStatic ? 'static ' : ''}${signatures[0]}\`: ${said}`;
  }

  /** A docstring's text with its links. @param owners whose calls a bare name means first */
  #prose(text: string, owners: readonly string[] = []): string {
    return text.replace(/\{@link ([^}\s|]+)(?:[\s|]+([^}]*))?\}/g, (_all, name, label) => {
      const known = [...owners.map((owner) => `${owner}.${name}`), name];
      const title = known.map((one) => this.#titles.get(one)).find((one) => one !== undefined);
      return title === undefined ? (label ?? `\`${name}\``) : this.#link(title, name);
    });
  }

  #link(title: string, shown = title): string {
    return `[\`${shown}\`](#${this.#anchors.get(title)})`;
  }

  /** What MPI calls the things on this page. */
  #standardNames(): string[] {
    const rows = new Map<string, Set<string>>();
    const note = (doc: Doc, link: string) => {
      for (const [name] of everythingIn(doc).matchAll(/\bMPI_[A-Z][A-Za-z_]*[A-Za-z]\b/g))
        rows.set(name, (rows.get(name) ?? new Set()).add(link));
    };
    for (const { title, doc, properties } of this.#entries()) {
      note(doc, this.#link(title));
      for (const one of properties) note(one.doc, this.#link(title, propertyTitle(title, one)));
    }
    if (rows.size === 0) return [];
    const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
    const table = sorted.map(([name, links]) => `| \`${name}\` | ${[...links].join(', ')} |`);
    return ["## By MPI's names", ['| MPI | here |', '| --- | --- |', ...table].join('\n')];
  }
}

/** `communicator.size`, `MPI.world`. */
function propertyTitle(owner: string, { name, signatures, isStatic }: Member): string {
  if (isStatic || signatures[0].startsWith(`${owner}.`)) return `${owner}.${name}`;
  return `${owner[0].toLowerCase()}${owner.slice(1)}.${name}`;
}

function throwsText(text: string): string {
  const said = text.replace(/^MpiError\s+(?=ERR_|as )/, '');
  return `Throws ${said.replace(/(?<!`)\bERR_[A-Z_]+\b/g, (code) => `\`${code}\``)}`;
}

/** A long signature with a line for each parameter. */
function inLines(signature: string): string {
  const [, head, parameters, tail] = /^([^(]*\()(.*)(\): .*)$/s.exec(signature) ?? [];
  if (signature.length <= LINE_MAX || parameters === undefined || signature.includes('\n'))
    return signature;
  const lines = atCommas(parameters).map((one) => `  ${one.trim()},`);
  return [head, ...lines, tail].join('\n');
}

/** Parts of a text between commas that no bracket encloses. */
function atCommas(text: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const [at, letter] of [...text].entries()) {
    if ('([{<'.includes(letter)) depth++;
    // An arrow closes nothing.
    if (')]}>'.includes(letter) && text[at - 1] !== '=') depth--;
    if (letter === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += letter;
  }
  return parts;
}

const HELP = `usage: npm run docs:reference

Writes the pages of ${FOLDER} that are made from the docstrings (calls.md, and one for each further
entry of the package), the sections of error codes, and the tables of environment variables.

  --help
`;

function main(): void {
  const settings = readCommandLine({
    name: 'docs:reference',
    help: HELP,
    options: {},
    read: () => ({}),
  });
  if (settings === null) return;
  const root = packageRoot();
  for (const [path, text] of [...referencePages(root), ...pagesWithTables(root)])
    writeFileSync(join(root, path), text);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
