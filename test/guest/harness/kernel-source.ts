import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fetchAndUnpack, type Progress } from './apt.ts';
import { run } from './command.ts';
import { withMachineLock } from './lock.ts';

export const SOURCE_PACKAGE = 'linux-source-6.1';

/** The version that apt would fetch. */
export async function sourceVersion(): Promise<string> {
  const { stdout } = await run('apt-cache', ['policy', SOURCE_PACKAGE]);
  const version = /Candidate: (\S+)/.exec(stdout)?.[1];
  if (!version || version === '(none)') throw new Error(`apt knows no ${SOURCE_PACKAGE}`);
  return version;
}

/** Fetches the kernel's source and unpacks it, or some members of it, into folder/linux-source-6.1. */
export async function unpackSource(
  folder: string,
  progress: Progress,
  members: string[] = [],
): Promise<void> {
  const unpacked = join(folder, 'package');
  const from = { packages: [SOURCE_PACKAGE], aptOptions: [] };
  await fetchAndUnpack(from, join(folder, 'debs'), unpacked, progress);
  progress('unpacking the kernel source');
  const archive = join(unpacked, 'usr', 'src', `${SOURCE_PACKAGE}.tar.xz`);
  const wanted = members.map((member) => `${SOURCE_PACKAGE}/${member}`);
  // Each member is there once: the rest need not be read.
  const once = wanted.length > 0 ? ['--occurrence=1'] : [];
  await withMachineLock(() => run('tar', ['-xf', archive, '-C', folder, ...once, ...wanted]));
  await rm(unpacked, { recursive: true });
}
