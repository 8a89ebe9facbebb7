#!/usr/bin/env node
// Removes from dist/ what tsc wrote of sources that are gone: nobody may go on with old code unawares.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');

if (existsSync(dist))
  for (const file of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    const [, stem] =
      /^(?!(?:bundle|programs|runtime\/joined)\/)(.*?)\.(?:js|js\.map|d\.ts)$/.exec(file) ?? [];
    if (stem !== undefined && !existsSync(join(root, `${stem}.ts`))) rmSync(join(dist, file));
  }
