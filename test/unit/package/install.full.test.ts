/** The packages as each package manager installs them, and as programs of each kind use them. Needs a registry. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { installPackages } from '../../guest/harness/apt.ts';
import { sortedLines } from '../../jobs/run.ts';
import { buildAddon, packMain, packPlatform } from '../../tools/packages/packing.ts';
import { isOwn, PLATFORMS } from '../../tools/packages/platforms.ts';
import { Registry } from '../../tools/packages/registry.ts';
import { Installed, SAID } from './installed.ts';

/** The package managers themselves; all of these run with Node 20. */
const TOOLS = ['pnpm@10', 'yarn@1', '@yarnpkg/cli-dist@4'];
/** What the projects have beside dreg-mpi. */
const DEVELOPMENT = {
  '@types/node': '20',
  esbuild: '0.28',
  rolldown: '1',
  tsx: '4',
  // Yarn's Plug'n'Play has a patch for TypeScript up to this one.
  typescript: '5',
};

const folder = mkdtempSync(join(tmpdir(), 'dreg-managers-'));
const tool = (file: string) => [process.execPath, join(folder, 'tools/node_modules', file)];
const YARN = tool('@yarnpkg/cli-dist/bin/yarn.js');

interface Manager {
  install(registry: string): string[];
  /** What it reads its settings from. */
  settings?(registry: string): string;
  /** Runs a program of an installed package. */
  bin(name: string): string[];
}

const inFolder = (name: string) => [`node_modules/.bin/${name}`];
const yarnSettings = (linker: string) => (registry: string) =>
  `nodeLinker: ${linker}
npmRegistryServer: "${registry}"
unsafeHttpWhitelist: ["127.0.0.1"]
npmMinimalAgeGate: 0
enableScripts: false
enableGlobalCache: false
globalFolder: "${folder}/yarn4"
enableTelemetry: false
enableImmutableInstalls: false
`;

const MANAGERS: Record<string, Manager> = {
  npm: {
    install: (registry) => [
      ...['npm', 'install', '--ignore-scripts', `--registry=${registry}`],
      `--cache=${folder}/npm`,
    ],
    bin: inFolder,
  },
  pnpm: {
    install: (registry) => [
      ...tool('pnpm/bin/pnpm.cjs'),
      ...['install', '--ignore-scripts', `--registry=${registry}`],
      ...[`--store-dir=${folder}/pnpm`, `--config.cache-dir=${folder}/pnpm-cache`],
    ],
    bin: inFolder,
  },
  'yarn 1': {
    install: (registry) => [
      ...tool('yarn/bin/yarn.js'),
      ...['install', '--ignore-scripts', '--registry', registry],
      ...['--cache-folder', `${folder}/yarn`],
    ],
    bin: inFolder,
  },
  'yarn 4 with node_modules': {
    install: () => [...YARN, 'install'],
    settings: yarnSettings('node-modules'),
    bin: inFolder,
  },
  "yarn 4 with Plug'n'Play": {
    install: () => [...YARN, 'install'],
    settings: yarnSettings('pnp'),
    bin: (name) => [...YARN, 'run', name],
  },
};

let registry: Registry;
beforeAll(async () => {
  const upstream = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim();
  const others = PLATFORMS.filter((platform) => !isOwn(platform));
  await installPackages(
    others.map(({ compiler }) => compiler),
    () => {},
  );
  const platforms = PLATFORMS.map((platform) => {
    buildAddon(platform);
    return packPlatform(platform, folder);
  });
  registry = await Registry.open([packMain(folder), ...platforms], upstream);
  const words = ['install', '--no-save', '--ignore-scripts', '--prefix', join(folder, 'tools')];
  execFileSync('npm', [...words, ...TOOLS], { stdio: ['ignore', 'ignore', 'inherit'] });
  // Another user runs them, too.
  chmodSync(folder, 0o755);
});
afterAll(async () => {
  await registry.close();
  rmSync(folder, { recursive: true });
});

let installed: Installed;
beforeEach(() => {
  installed = new Installed({
    dependencies: { 'dreg-mpi': '*' },
    devDependencies: DEVELOPMENT,
  });
});
afterEach(() => installed.remove());

test.each(Object.entries(MANAGERS))('%s', { timeout: 1_800_000 }, async (_, manager) => {
  const { bin, install, settings } = manager;
  if (settings) installed.file('.yarnrc.yml', settings(registry.url));
  await installed.run(install(registry.url));

  const check = [...bin('tsc'), '--noEmit', '--strict', '--target', 'es2022', '--types', 'node'];
  for (const resolution of ['nodenext', 'bundler']) {
    const module = resolution === 'bundler' ? 'esnext' : resolution;
    const how = ['--module', module, '--moduleResolution', resolution];
    await installed.run([...check, ...how, 'typed.mts']);
  }
  const outside = ['--platform=node', '--format=esm', '--external:dreg-mpi'];
  const esbuild = [...bin('esbuild'), 'typed.mts', '--bundle', ...outside];
  await installed.run([...esbuild, '--outfile=by-esbuild.mjs']);
  const rolldown = [...bin('rolldown'), 'typed.mts', '--platform', 'node', '--format', 'esm'];
  await installed.run([...rolldown, '--external', 'dreg-mpi', '--file', 'by-rolldown.mjs']);

  installed.lock();
  const programs = ['module.mjs', 'required.cjs', 'imported.cjs', 'typed.mts'];
  for (const program of [...programs, 'by-esbuild.mjs', 'by-rolldown.mjs']) {
    const { stdout, stderr } = await installed.use([...bin('dregrun'), '-n', '2', program]);
    expect([program, stderr, sortedLines(stdout)]).toEqual([program, '', SAID]);
  }
});

test('npx dregrun build makes the addon where its package was left out', {
  timeout: 1_800_000,
}, async () => {
  installed = new Installed({ dependencies: { 'dreg-mpi': '*' } });
  await installed.run([...MANAGERS.npm.install(registry.url), '--omit=optional']);
  await installed.run(['npx', 'dregrun', 'build']);
  installed.lock();
  const { stdout, stderr } = await installed.use([...inFolder('dregrun'), '-n', '2', 'module.mjs']);
  expect([stderr, sortedLines(stdout)]).toEqual(['', SAID]);
});
