/** The check of the floors sees what it is for. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { callGraph, circles, climbs, type Graph, picture, tooLong } from './floors.ts';
import { between } from './markdown.ts';

const graph = (edges: Record<string, string[]>): Graph =>
  new Map(Object.entries(edges).map(([file, needs]) => [file, new Set(needs)]));

let folder: string | undefined;
afterEach(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true });
  folder = undefined;
});

test('an import that goes up is named with both floors', () => {
  const wrong = graph({ 'transports/shm/a.ts': ['runtime/mpi/b.ts'], 'runtime/mpi/b.ts': [] });
  expect(climbs(wrong)).toEqual([
    'transports/shm/a.ts (transports) imports runtime/mpi/b.ts (mpi)',
  ]);
  const right = graph({ 'runtime/mpi/b.ts': ['transports/shm/a.ts'], 'transports/shm/a.ts': [] });
  expect(climbs(right)).toEqual([]);
});

test('a file that stands on no floor is named', () => {
  expect(climbs(graph({ 'elsewhere/a.ts': [] }))).toEqual([
    'elsewhere/a.ts stands on no floor (test/tools/floors.ts)',
  ]);
});

test('circles of two, of three, and none', () => {
  expect(circles(graph({ a: ['b'], b: ['c'], c: [] }))).toEqual([]);
  expect(circles(graph({ a: ['b'], b: ['a'], c: ['a'] }))).toEqual([['a', 'b']]);
  expect(circles(graph({ x: ['a'], a: ['b'], b: ['c', 'd'], c: ['a'], d: [] }))).toEqual([
    ['a', 'b', 'c'],
  ]);
});

test('files of C that call each other', () => {
  folder = mkdtempSync(join(tmpdir(), 'dreg-floors-'));
  mkdirSync(join(folder, 'kernel'));
  const write = (name: string, text: string) =>
    writeFileSync(join(folder as string, 'kernel', name), text);
  write('a.c', 'int up(void)\n{\n\treturn down(1);\n}\nstatic int own(void)\n{\n\treturn 1;\n}\n');
  write('b.c', 'static int own(void);\nint down(int x)\n{\n\treturn own() + x;\n}\n');
  expect(circles(callGraph(folder, 'kernel', /\.c$/))).toEqual([]);
  write('b.c', 'int down(int x)\n{\n\treturn up() + x;\n}\n');
  expect(circles(callGraph(folder, 'kernel', /\.c$/))).toEqual([['kernel/a.c', 'kernel/b.c']]);
});

test('functions and files that are too long', () => {
  const body = (lines: number) => '\tcall();\n'.repeat(lines);
  const kernel = (lines: number) => `static int one(void)\n{\n${body(lines)}}\n`;
  expect(tooLong('a.c', kernel(60) + kernel(60))).toEqual([]);
  expect(tooLong('a.c', kernel(3) + kernel(61))).toEqual(['a.c:8 is a function of 61 lines']);
  const method = `class A {\n  int one() {\n    if (a) {\n${body(59)}    }\n  }\n};\n`;
  expect(tooLong('a.h', `namespace b {\n\n${method}\n}\n`)).toEqual([
    'a.h:4 is a function of 61 lines',
  ]);
  const table = `static const struct row rows[] = {\n${body(100)}};\n`;
  expect(tooLong('a.c', `${table}struct big {\n${body(100)}};\n`)).toEqual([]);
  expect(tooLong('a.c', body(401))).toEqual(['a.c has 401 lines']);
});

test('the picture stands between its marks, highest floor first', () => {
  const page = 'x\n<!-- floors: made by npm run floors -- --write -->\nold\n<!-- /floors -->\ny\n';
  const drawn = picture(graph({ 'runtime/mpi/b.ts': ['native/addon.ts'], 'native/addon.ts': [] }));
  const text = between(page, 'floors', drawn);
  expect(text).not.toContain('old');
  expect(text).toMatch(/\*\*mpi\*\*.*\| native \|/);
  expect(text.indexOf('**mpi**')).toBeLessThan(text.indexOf('**native**'));
  expect(() => between('no marks', 'floors', drawn)).toThrow('no place');
});
