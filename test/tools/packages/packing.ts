/** Makes the packages' tarballs: one with the TypeScript's output, and one a platform with the addon. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { buildFolder, builtFile, FILES, isOwn, PLATFORMS, type Platform } from './platforms.ts';
import { objectionsTo } from './symbols.ts';

type Manifest = Record<string, unknown> & { version: string };

const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

function writeManifest(folder: string, manifest: object): void {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Calls `use` with an empty folder, which is removed afterwards. */
function withFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'dreg-pack-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Packs a folder as it is; answers the tarball. */
function npmPack(folder: string, to: string): string {
  const words = ['pack', '--ignore-scripts', '--json', '--pack-destination', to];
  const said = execFileSync('npm', words, { cwd: folder, encoding: 'utf8' });
  // npm 12 answers an object by the package's name, earlier ones a list.
  const [{ filename }] = Object.values(JSON.parse(said)) as [{ filename: string }];
  return join(to, filename.replace('@', '').replace('/', '-'));
}

/**
 * The package of the TypeScript's output. Its manifest differs from the repository's: it names the platforms'
 * packages, which npm must not look for when it installs the repository itself, and it has no scripts.
 */
export function packMain(to: string): string {
  return withFolder((scratch) => {
    execFileSync('tar', ['xf', npmPack(packageRoot(), scratch), '-C', scratch]);
    const folder = join(scratch, 'package');
    const { private: _, scripts, devDependencies, ...manifest } = readManifest(folder);
    const optional = PLATFORMS.map(({ name }) => [name, manifest.version]);
    writeManifest(folder, {
      ...manifest,
      files: [...(manifest.files as string[]), HEADERS],
      optionalDependencies: Object.fromEntries(optional),
    });
    addHeaders(join(folder, HEADERS));
    return npmPack(folder, to);
  });
}

/** Of node-addon-api, for `dregrun build`: nobody else needs it, so it is no dependency. */
const HEADERS = 'native/node-addon-api';

function addHeaders(to: string): void {
  const require = createRequire(join(packageRoot(), 'package.json'));
  const from = dirname(require.resolve('node-addon-api/package.json'));
  mkdirSync(to);
  for (const name of readdirSync(from).filter((name) => /\.h$|^LICENSE/.test(name)))
    copyFileSync(join(from, name), join(to, name));
}

/** The package of a platform, whose addon is built. @throws Error where it would not run on older machines */
export function packPlatform(platform: Platform, to: string): string {
  for (const file of FILES) {
    const objections = objectionsTo(builtFile(platform, file));
    if (objections.length > 0)
      throw new Error(`${file} of ${platform.name} is not fit for it:\n${objections.join('\n')}`);
  }
  return withFolder((folder) => {
    const { version, license, engines } = readManifest(packageRoot());
    const { name, arch } = platform;
    writeManifest(folder, {
      name,
      version,
      description: `The native addon of dreg-mpi for Linux on ${arch} with glibc`,
      license,
      engines,
      os: ['linux'],
      cpu: [arch],
      libc: ['glibc'],
      main: 'dreg_mpi.node',
      files: FILES,
      preferUnplugged: true,
      publishConfig: { access: 'public' },
    });
    writeFileSync(
      join(folder, 'README.md'),
      `# ${name}\n\nThe native addon of dreg-mpi. npm installs it with dreg-mpi; nothing else uses it.\n`,
    );
    copyFileSync(join(packageRoot(), 'LICENSE'), join(folder, 'LICENSE'));
    for (const file of FILES) copyFileSync(builtFile(platform, file), join(folder, file));
    return npmPack(folder, to);
  });
}

/** Builds another platform's addon, in a copy of the sources. `npm run build` makes this platform's. */
export function buildAddon(platform: Platform): void {
  if (isOwn(platform)) return;
  const { triple, compiler, arch } = platform;
  if (spawnSync(`${triple}-g++`, ['--version']).error)
    throw new Error(`${triple}-g++ is not installed (Debian: apt-get install ${compiler})`);
  const folder = buildFolder(platform);
  const native = join(packageRoot(), 'native');
  // With their times, so that make builds what has changed.
  for (const name of readdirSync(native).filter((name) => /\.(cc|h|gyp)$/.test(name)))
    cpSync(join(native, name), join(folder, name), { preserveTimestamps: true });
  cpSync(join(native, 'heap'), join(folder, 'heap'), { recursive: true, preserveTimestamps: true });
  cpSync(join(native, '../kernel/dreg.h'), join(folder, '../kernel/dreg.h'), {
    preserveTimestamps: true,
  });
  const words = [join(native, 'build.mjs'), '--portable', folder];
  const env = {
    ...process.env,
    npm_config_arch: arch,
    CC: `${triple}-gcc`,
    CXX: `${triple}-g++`,
    AR: `${triple}-ar`,
  };
  const { status } = spawnSync(process.execPath, words, { env, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error(`the addon of ${platform.name} was not built`);
}

/** The addon's RDMA parts are there only where these were when it was built. */
export function missingHeaders(): string[] {
  return ['infiniband/verbs.h', 'rdma/rdma_cma.h'].filter(
    (header) => !existsSync(join('/usr/include', header)),
  );
}
