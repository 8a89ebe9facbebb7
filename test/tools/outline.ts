/**
 * The outline of a reference page: what a module offers, as headings. A call stands in the chapter of MPI
 * that its docstring cites; where it cites none, in the chapter of its class, or of its file.
 */
import type { Declared, Member, Module } from './declarations.ts';
import { type Doc, joinDocs } from './docstrings.ts';

/** Chapters of MPI 4.1 as this package knows them. */
const CHAPTERS: Record<number, string> = {
  3: 'Point-to-point communication',
  4: 'Partitioned communication',
  5: 'Datatypes',
  6: 'Collective communication',
  7: 'Groups and communicators',
  8: 'Topologies',
  9: 'Environment, errors, memory',
  11: 'Starting and ending',
  12: 'One-sided communication',
  13: 'External interfaces',
  14: 'Files',
};

/** A heading with what stands below it. */
export interface Entry {
  title: string;
  /** Within a chapter: what can be called, then types. */
  order: number;
  /** Of the standard's text: [3, 2, 4]. Empty: beside the standard. */
  section: number[];
  signatures: string[];
  doc: Doc;
  /** Where it is declared: the same for what classes have of one base. */
  place: string;
  /** Classes that have it. */
  owners: string[];
  properties: Member[];
  /** Calls of a class that stand below it. */
  parts: Entry[];
}

export interface Chapter {
  title: string;
  entries: Entry[];
}

/** A module's chapters in the standard's order; what cites none comes last. Or all of it as one. */
export function outlineOf(module: Module, chapters: boolean): Chapter[] {
  const entries = shared(module.exports.flatMap(entriesOf));
  if (!chapters) return [{ title: '', entries: entries.sort((a, b) => a.order - b.order) }];
  const numbers = new Set(entries.map(chapterOf));
  return [...numbers]
    .sort((a, b) => a - b)
    .map((chapter) => ({
      title: CHAPTERS[chapter] ?? 'Beside the standard',
      entries: entries.filter((entry) => chapterOf(entry) === chapter).sort(bySection),
    }));
}

const chapterOf = ({ section }: Entry) => section[0] ?? Infinity;

function entriesOf(declared: Declared): Entry[] {
  const { name, kind, doc, signatures, members, place } = declared;
  const section = sectionIn(doc) ?? sectionIn(declared.file) ?? [];
  const calls = members.filter((one) => one.kind === 'call' && !one.name.startsWith('['));
  const properties = members
    .filter((one) => !calls.includes(one))
    .map((one) =>
      kind === 'value' ? { ...one, signatures: [`${name}.${one.signatures[0]}`] } : one,
    );
  const whole: Entry = {
    title: name,
    order: kind === 'type' && calls.length === 0 ? 1 : 0,
    section,
    signatures,
    doc,
    place,
    owners: [],
    properties,
    parts: [],
  };
  const apart: Entry[] = [];
  for (const call of twins(calls)) {
    const entry: Entry = {
      title: titleOf(declared, call),
      order: 0,
      section: sectionIn(call.doc) ?? section,
      signatures: call.signatures.map((one) => (call.isStatic ? `static ${one}` : one)),
      doc: call.doc,
      place: call.place,
      owners: [name],
      properties: [],
      parts: [],
    };
    // The calls of an object such as MPI are no parts of a type.
    if (kind === 'type' && chapterOf(entry) === chapterOf(whole)) whole.parts.push(entry);
    else apart.push(entry);
  }
  return [whole, ...apart];
}

/** `request.wait`, `Request.waitAll`, `new UringDomain`, `MPI.init`. */
function titleOf({ name, kind }: Declared, { name: call, isStatic }: Member): string {
  if (call === 'constructor') return `new ${name}`;
  const of = isStatic || kind === 'value' ? name : name[0].toLowerCase() + name.slice(1);
  return `${of}.${call}`;
}

/** `name` and `nameSync` are one entry: the docstring that says more, then the other. */
function twins(calls: readonly Member[]): Member[] {
  const keyOf = ({ isStatic, name }: Member) => `${isStatic} ${name}`;
  const byName = new Map(calls.map((call) => [keyOf(call), call]));
  const found: Member[] = [];
  for (const call of calls) {
    if (call.name.endsWith('Sync') && byName.has(keyOf(call).slice(0, -'Sync'.length))) continue;
    const other = byName.get(`${keyOf(call)}Sync`);
    if (other === undefined) {
      found.push(call);
      continue;
    }
    const [first, second] =
      lengthOf(call.doc) < lengthOf(other.doc) ? [other, call] : [call, other];
    const signatures = [...call.signatures, ...other.signatures];
    found.push({ ...call, signatures, doc: joinDocs(first.doc, second.doc) });
  }
  return found;
}

const lengthOf = (doc: Doc) => everythingIn(doc).length;

/** What a program can use and no docstring explains. */
export function undocumented(module: Module): string[] {
  return module.exports.flatMap(({ name, doc, members }) => {
    const silent = members.filter((one) => one.doc.text === '');
    const names = silent.map((one) => `${name}: ${one.signatures[0]}`);
    return doc.text === '' ? [name, ...names] : names;
  });
}

/** A docstring as one text. */
export function everythingIn({ text, tags }: Doc): string {
  return [text, ...tags.map((tag) => tag.text)].join('\n');
}

/** Calls that several classes have of one base stand there once. */
function shared(entries: readonly Entry[]): Entry[] {
  const found = new Map<string, Entry>();
  const once = (entry: Entry): boolean => {
    const before = found.get(entry.place);
    if (before === undefined) found.set(entry.place, entry);
    else before.owners.push(...entry.owners);
    return before === undefined;
  };
  return entries.filter((entry) => {
    entry.parts = entry.parts.filter(once);
    return once(entry);
  });
}

/** The section of MPI 4.1 that a docstring cites. */
function sectionIn(doc: Doc): number[] | undefined {
  const [, cited] = /MPI 4\.1, (\d+(?:\.\d+)*)/.exec(everythingIn(doc)) ?? [];
  const section = cited?.split('.').map(Number);
  return section !== undefined && section[0] in CHAPTERS ? section : undefined;
}

function bySection(left: Entry, right: Entry): number {
  if (left.order !== right.order) return left.order - right.order;
  const { section: one } = left;
  const { section: two } = right;
  for (let i = 0; i < Math.max(one.length, two.length); i++)
    if (one[i] !== two[i]) return (one[i] ?? 0) - (two[i] ?? 0);
  return 0;
}
