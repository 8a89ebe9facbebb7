/** The packages as npm installs them, without scripts; install.full.test.ts has other package managers. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { sortedLines } from '../../jobs/run.ts';
import { packMain, packPlatform } from '../../tools/packages/packing.ts';
import { FILES, isOwn, PLATFORMS } from '../../tools/packages/platforms.ts';
import { Registry } from '../../tools/packages/registry.ts';
import { Installed, SAID } from './installed.ts';

const OWN = PLATFORMS.find(isOwn)!;
const MANIFEST = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));

const folder = mkdtempSync(join(tmpdir(), 'dreg-tarballs-'));
let registry: Registry;
beforeAll(async () => {
  const tarballs = [packMain(folder), packPlatform(OWN, folder)];
  // The one package that it depends on, from here, so that this test needs no network.
  const msgpackr = join(packageRoot(), 'node_modules/msgpackr');
  const words = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder, msgpackr];
  const name = execFileSync('npm', words, { encoding: 'utf8' }).trim();
  registry = await Registry.open([...tarballs, join(folder, name)]);
});
afterAll(async () => {
  await registry.close();
  rmSync(folder, { recursive: true });
});

let installed: Installed;
beforeEach(() => {
  installed = new Installed();
});
afterEach(() => installed.remove());

const npm = (...words: string[]) =>
  installed.run(['npm', ...words, `--registry=${registry.url}`, `--cache=${folder}/cache`]);
const DREGRUN = ['node_modules/.bin/dregrun', '-n', '2', '--timeout', '300'];

test('npm brings the addon of this platform, and no script, compiler or node-gyp', async () => {
  await npm('install', '--ignore-scripts', 'dreg-mpi');
  installed.lock();
  for (const name of ['module.mjs', 'required.cjs', 'imported.cjs']) {
    const { stdout, stderr } = await installed.use([...DREGRUN, name]);
    expect([name, stderr, sortedLines(stdout)]).toEqual([name, '', SAID]);
  }
  const modules = join(installed.folder, 'node_modules');
  expect(readdirSync(modules).filter((name) => !name.startsWith('.'))).toEqual([
    '@dreg-mpi',
    'dreg-mpi',
    'msgpackr',
  ]);
  expect(readdirSync(join(modules, '@dreg-mpi'))).toEqual([OWN.name.split('/')[1]]);
  expect(readdirSync(join(modules, OWN.name))).toEqual(expect.arrayContaining([...FILES]));
  const manifest = JSON.parse(readFileSync(join(modules, 'dreg-mpi/package.json'), 'utf8'));
  expect(manifest).toMatchObject({
    version: MANIFEST.version,
    dependencies: MANIFEST.dependencies,
    optionalDependencies: Object.fromEntries(PLATFORMS.map(({ name }) => [name, MANIFEST.version])),
  });
  expect(manifest).not.toHaveProperty('scripts');
  // npm would compile by it, unasked.
  expect(existsSync(join(modules, 'dreg-mpi/binding.gyp'))).toBe(false);
});

describe('without the package of the platform', () => {
  const errorOf = async () => {
    const { stdout, stderr } = await installed.use([process.execPath, 'module.mjs']);
    return stdout + stderr;
  };

  test('the error says which it is, why it may not be there, and what builds the addon', async () => {
    await npm('install', '--ignore-scripts', '--omit=optional', 'dreg-mpi');
    const said = await errorOf();
    expect(said).toContain(`the package ${OWN.name} is not installed`);
    expect(said).toContain('--omit=optional');
    expect(said).toContain('npx dregrun build');
    expect(said).toContain(`npm install ${OWN.name}@${MANIFEST.version}`);
    // Which does what it says.
    await npm('install', '--ignore-scripts', '--omit=optional', `${OWN.name}@${MANIFEST.version}`);
    expect(await errorOf()).not.toContain('ERR_ADDON');
  });

  test('that of another version is not taken', async () => {
    await npm('install', '--ignore-scripts', 'dreg-mpi');
    const file = join(installed.folder, 'node_modules', OWN.name, 'package.json');
    const manifest = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...manifest, version: '0.0.1' }));
    const versions = `is of version 0.0.1, and dreg-mpi of ${MANIFEST.version}`;
    expect(await errorOf()).toContain(versions);
  });
});
