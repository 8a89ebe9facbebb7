#!/usr/bin/env node
/** `npm run floors`: no import goes up, no files in a circle; with --write the picture in the docs is made anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../native/addon.ts';
import { readCommandLine } from './command-line.ts';
import { callGraph, circles, climbs, picture, typescriptGraph, withPicture } from './floors.ts';

const PAGE = 'docs/internals/architecture.md';

/** Folders of C and C++, in each of which no files may call each other in a circle. */
const FOLDERS: [string, RegExp][] = [
  ['native', /\.cc$/],
  ['kernel', /\.c$/],
  ['kernel/libdreg', /\.c$/],
  ['kernel/selftests', /\.c$/],
];

const HELP = `npm run floors -- [options]

Says which imports go up the floors of the house, and which files import or call each other in a
circle. Exit status: 0 where there are none and the picture in ${PAGE} is true.

  --write   makes the picture anew
  --json    prints what is wrong as JSON
  --help
`;

function main(): void {
  const settings = readCommandLine({
    name: 'floors',
    help: HELP,
    options: {
      write: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
    read: (values) => values,
  });
  if (settings === null) return;
  const root = packageRoot();
  const graph = typescriptGraph(root);
  const wrong = climbs(graph);
  const graphs = [graph, ...FOLDERS.map(([folder, ending]) => callGraph(root, folder, ending))];
  for (const circle of graphs.flatMap(circles)) wrong.push(`in a circle: ${circle.join(', ')}`);
  const page = join(root, PAGE);
  const text = readFileSync(page, 'utf8');
  const drawn = withPicture(text, picture(graph));
  if (settings.write) writeFileSync(page, drawn);
  else if (drawn !== text)
    wrong.push(`${PAGE}: the picture is not true; npm run floors -- --write`);
  if (settings.json) process.stdout.write(`${JSON.stringify(wrong)}\n`);
  else for (const line of wrong) process.stderr.write(`floors: ${line}\n`);
  if (wrong.length > 0) process.exitCode = 1;
}

main();
