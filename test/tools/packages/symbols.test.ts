/** Which addons run on older machines than the one that builds them: this one does. */
import { expect, it } from 'vitest';
import { builtFile, FILES, isOwn, PLATFORMS } from './platforms.ts';
import { librariesOf, objectionsTo, versionsOf } from './symbols.ts';

it.each(FILES)("finds nothing against this platform's %s as `npm run build` makes it", (file) => {
  expect(objectionsTo(builtFile(PLATFORMS.find(isOwn)!, file))).toEqual([]);
});

const symbol = (name: string) =>
  `    12: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND ${name} (3)\n`;
const library = (name: string) => ` 0x0000000000000001 (NEEDED)  Shared library: [${name}]\n`;

it.each([
  ['dlopen@GLIBC_2.34', 'glibc 2.34, which is younger than 2.28'],
  ['fcntl64@GLIBC_2.29', 'glibc 2.29'],
  ['_Znwm@GLIBCXX_3.4', 'libstdc\\+\\+ is not linked statically'],
  ['__cxa_guard_acquire@CXXABI_1.3', 'libstdc\\+\\+ is not linked statically'],
])('objects to %s', (name, why) => {
  expect(versionsOf(symbol(name))).toEqual([expect.stringMatching(why)]);
});

it.each(['dlopen@GLIBC_2.2.5', 'renameat2@GLIBC_2.28', '_Unwind_Resume@GCC_3.0', 'napi_throw'])(
  'takes %s',
  (name) => {
    expect(versionsOf(symbol(name))).toEqual([]);
  },
);

it('takes the libraries that Node needs itself, and no other', () => {
  const names = ['libc.so.6', 'libgcc_s.so.1', 'ld-linux-x86-64.so.2', 'ld-linux-aarch64.so.1'];
  expect(librariesOf(names.map(library).join(''))).toEqual([]);
  expect(librariesOf(library('libstdc++.so.6'))).toEqual([
    'it needs libstdc++.so.6, which not every machine has',
  ]);
});
