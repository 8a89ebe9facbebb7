/** A folder in which the package, or a copy of it, is installed as its users have it. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';

export class Project {
  readonly folder = mkdtempSync(join(tmpdir(), 'dreg-package-'));

  file(name: string, text: string): string {
    const file = join(this.folder, name);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** Installs a package that is there already. */
  link(name: string, from: string): void {
    const to = join(this.folder, 'node_modules', name);
    mkdirSync(join(to, '..'), { recursive: true });
    symlinkSync(from, to);
  }

  /** Installs a copy of this package in a folder's node_modules; with its addon, or without. */
  copy(parts: readonly string[], under = '.'): string {
    const to = join(this.folder, under, 'node_modules/dreg-mpi');
    for (const part of ['package.json', 'dist/bundle', ...parts])
      cpSync(join(packageRoot(), part), join(to, part), { recursive: true });
    return to;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const ADDON = 'native/build/Release/dreg_mpi.node';
