/** What a platform's addon asks of the machine: a check of its dynamic symbols and libraries. */
import { execFileSync } from 'node:child_process';

/** The oldest C library that the packages' addons run with: that of Node 20's own binaries. */
export const GLIBC_MOST = '2.28';

/** What Node itself is linked with. libstdc++ is not among them: its symbols depend on the compiler. */
const LIBRARIES = /^(libc\.so\.6|libm\.so\.6|libgcc_s\.so\.1|ld-linux-[\w-]+\.so\.[12])$/;

/** What makes an addon unfit for older machines; each is a sentence. */
export function objectionsTo(addon: string): string[] {
  const readelf = (option: string) =>
    execFileSync('readelf', ['--wide', option, addon], { encoding: 'utf8' });
  return [...librariesOf(readelf('--dynamic')), ...versionsOf(readelf('--dyn-syms'))];
}

export function librariesOf(dynamic: string): string[] {
  return [...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)]
    .map(([, library]) => library)
    .filter((library) => !LIBRARIES.test(library))
    .map((library) => `it needs ${library}, which not every machine has`);
}

export function versionsOf(symbols: string): string[] {
  return [...symbols.matchAll(/ UND (\S+)@(\w+?)_([\d.]+)/g)]
    .filter(([, , set, version]) =>
      set === 'GLIBC' ? isYounger(version, GLIBC_MOST) : set !== 'GCC',
    )
    .map(([, name, set, version]) =>
      set === 'GLIBC'
        ? `${name} is of glibc ${version}, which is younger than ${GLIBC_MOST}: native/glibc.cc has to lead to an older one`
        : `${name} is of ${set}_${version}: libstdc++ is not linked statically`,
    );
}

function isYounger(version: string, than: string): boolean {
  const [major, minor] = version.split('.').map(Number);
  const [mostMajor, mostMinor] = than.split('.').map(Number);
  return major > mostMajor || (major === mostMajor && minor > mostMinor);
}
