#!/usr/bin/env node
// Formats the C++ of native/ with clang-format, or with --check says what is not formatted.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const files = ['.', 'heap']
  .flatMap((folder) => readdirSync(join(here, folder)).map((name) => join(folder, name)))
  .filter((name) => /\.(cc?|h)$/.test(name))
  .map((name) => join(here, name));
const check = process.argv.includes('--check');
const result = spawnSync(
  'clang-format',
  [...(check ? ['--dry-run', '--Werror'] : ['-i']), ...files],
  {
    stdio: 'inherit',
  },
);
if (result.error) {
  const hint = 'clang-format is not installed (Debian: apt-get install clang-format)';
  console.error(`native/format: ${hint}`);
  process.exit(process.env.CI === 'true' || !check ? 1 : 0);
}
process.exit(result.status ?? 1);
