#!/usr/bin/env node
/**
 * `npm run floors`: which floor each folder stands on. An import never goes up, and no files import each
 * other in a circle; `npm run lint` looks for both. The picture in docs/internals/architecture.md is made
 * from the list below, which is the only place where the floors are written down.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

export interface Floor {
  name: string;
  /** Files whose paths begin so. */
  paths: string[];
  /** What it is, for the picture. */
  what: string;
}

/** From the ground up. */
export const FLOORS: Floor[] = [
  { name: 'base', paths: ['runtime/base/'], what: 'MpiError, errno, constants' },
  { name: 'native', paths: ['native/'], what: 'the addon and its TypeScript faces' },
  { name: 'memory', paths: ['runtime/memory/'], what: 'pinned-memory manager, cache, monitors' },
  {
    name: 'shared',
    paths: ['runtime/shared-memory/', 'runtime/shared.ts'],
    what: 'memory of processes that are no ranks',
  },
  { name: 'job', paths: ['runtime/job/'], what: 'who this rank is: the clients of PMI-1 and PMIx' },
  {
    name: 'transports',
    paths: ['transports/'],
    what: 'self, shared memory, verbs: packets and memory between two ranks',
  },
  {
    name: 'messaging',
    paths: ['runtime/messaging/'],
    what: 'matching, eager, rendezvous, progress',
  },
  {
    name: 'mpi',
    paths: ['runtime/mpi/', 'runtime/index.ts', 'runtime/worker.ts'],
    what: 'the standard, by chapter',
  },
  { name: 'launch', paths: ['runtime/launch/'], what: 'dregrun and its doctor' },
  { name: 'examples', paths: ['examples/'], what: 'programs that a user would write' },
];

/** Which files a file needs, by path. */
export type Graph = Map<string, Set<string>>;

const floorOf = (file: string) =>
  FLOORS.findIndex(({ paths }) => paths.some((path) => file.startsWith(path)));

/** Imports that go up, as sentences. */
export function climbs(graph: Graph): string[] {
  const found: string[] = [];
  for (const [file, needs] of graph) {
    const floor = floorOf(file);
    if (floor < 0) found.push(`${file} stands on no floor (test/tools/floors.ts)`);
    for (const other of needs)
      if (floorOf(other) > floor)
        found.push(
          `${file} (${FLOORS[floor]?.name}) imports ${other} (${FLOORS[floorOf(other)].name})`,
        );
  }
  return found.sort();
}

/** Files that need each other: strongly connected components of more than one (Tarjan 1972). */
export function circles(graph: Graph): string[][] {
  const found: string[][] = [];
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const visit = (file: string): number => {
    order.set(file, order.size);
    let low = order.size - 1;
    stack.push(file);
    for (const other of graph.get(file) ?? []) {
      if (!order.has(other)) low = Math.min(low, visit(other));
      else if (stack.includes(other)) low = Math.min(low, order.get(other)!);
    }
    lowest.set(file, low);
    if (low === order.get(file)) {
      const circle = stack.splice(stack.indexOf(file));
      if (circle.length > 1) found.push(circle.sort());
    }
    return low;
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return found;
}

function sources(root: string, folders: string[], ending: RegExp): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => ending.test(name) && !/(^|\/)(build|node_modules|\.\w+)\//.test(name))
      .map((name) => join(folder, name)),
  );
}

const IMPORT = /(?:from|import)\s*\(?\s*'(\.[^']+)'/g;

/** TypeScript's imports, those of types alone included. */
export function typescriptGraph(root: string): Graph {
  const files = sources(root, ['runtime', 'transports', 'native', 'examples'], /\.ts$/);
  return new Map(
    files.map((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      const needs = Array.from(text.matchAll(IMPORT), ([, path]) =>
        relative(root, resolve(root, dirname(file), path)),
      );
      return [file, new Set(needs)];
    }),
  );
}

/** A function or variable that other files may use begins at a line's beginning and is not static. */
const DEFINITION =
  /^(?!static\b|extern\b|typedef\b|#|\/)[A-Za-z_][^;{}()=]*?\b(\w+)\((?![^;{]*;)[^;]*?^\{/gm;

/** C and C++: whose functions a file calls, within one folder. */
export function callGraph(root: string, folder: string, ending: RegExp): Graph {
  const files = sources(root, [folder], ending).filter((name) => dirname(name) === folder);
  const texts = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
  const owners = new Map<string, string>();
  for (const [file, text] of texts)
    for (const [, name] of text.matchAll(DEFINITION)) owners.set(name, file);
  return new Map(
    Array.from(texts, ([file, text]) => {
      const needs = new Set<string>();
      for (const [, name] of text.matchAll(/\b(\w+)\(/g)) {
        const owner = owners.get(name);
        if (owner !== undefined && owner !== file) needs.add(owner);
      }
      return [file, needs];
    }),
  );
}

/** What a file, and what a function of it, has at most. biome.json says the same of TypeScript. */
export const FILE_LINES_MAX = 400;
export const FUNCTION_LINES_MAX = 60;

/** A type or a namespace: what lies in its braces is no function. */
const NO_FUNCTION =
  /^\s*(?:(?:static|constexpr|const|typedef|extern|inline)\b\s*)*(?:namespace|class|struct|union|enum|template|"C"|[\w\s:<>*]*\[?.*=\s*\{)/;

/**
 * C and C++ that is too long, as sentences. The formatter stands behind it: what a line opens with
 * its last brace ends with the next line that begins with a brace at the same depth.
 */
export function tooLong(file: string, text: string): string[] {
  const lines = text.replace(/\n$/, '').split('\n');
  const found: string[] = [];
  if (lines.length > FILE_LINES_MAX) found.push(`${file} has ${lines.length} lines`);
  const open: { indent: number; from: number }[] = [];
  for (const [at, line] of lines.entries()) {
    const indent = line.search(/\S/);
    if (line[indent] === '}') {
      while (open.length > 0 && open[open.length - 1].indent > indent) open.pop();
      const block = open[open.length - 1];
      if (block?.indent === indent) {
        open.pop();
        const head = lines[block.from] === '{' ? lines[block.from - 1] : lines[block.from];
        const count = at - block.from - 1;
        if (count > FUNCTION_LINES_MAX && !NO_FUNCTION.test(head))
          found.push(`${file}:${block.from + 1} is a function of ${count} lines`);
      }
    }
    if (line.endsWith('{')) open.push({ indent, from: at });
  }
  return found;
}

/** All C and C++ of the folders. */
export function longSources(root: string, folders: string[]): string[] {
  return sources(root, folders, /\.(cc|c|h)$/).flatMap((file) =>
    tooLong(file, readFileSync(join(root, file), 'utf8')),
  );
}

/** The floors as a table, highest first, and which of those below each of them uses. */
export function picture(graph: Graph): string {
  const uses = FLOORS.map(() => new Set<number>());
  for (const [file, needs] of graph)
    for (const other of needs)
      if (floorOf(file) !== floorOf(other)) uses[floorOf(file)]?.add(floorOf(other));
  const rows = FLOORS.map(({ name, paths, what }, index) => {
    const below = FLOORS.filter((_, other) => uses[index].has(other)).map((floor) => floor.name);
    const where = paths.map((path) => `\`${path}\``).join(' ');
    return `| **${name}** | ${where} | ${what} | ${below.reverse().join(', ') || '–'} |`;
  });
  const head = ['| floor | where | what | uses |', '|---|---|---|---|'];
  return [...head, ...rows.reverse()].join('\n');
}
