/** Packages of the public registry that no manager would install here: for other processors, or as programs. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';

/** Fetches a package; answers a folder with its files, which lies in the given one. */
export function fetchPackage(specifier: string, into: string): string {
  const folder = mkdtempSync(join(into, 'fetched-'));
  const words = ['pack', specifier, '--silent', '--pack-destination', folder];
  const name = execFileSync('npm', words, { encoding: 'utf8', cwd: into }).trim();
  execFileSync('tar', ['xf', join(folder, name), '-C', folder]);
  return join(folder, 'package');
}
