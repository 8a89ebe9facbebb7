/** `dregrun --doctor`: what works on this machine, what is missing, and what to do about it. */
import { arch, hostname, release } from 'node:os';
import { addon } from '../../../native/addon.ts';
import { type Finding, type Group, probed, type State, works } from './finding.ts';

export interface Examination {
  version: string;
  host: string;
  system: string;
  /** Everything works that a job needs, as the environment asks for it. */
  ok: boolean;
  groups: Group[];
}

/** Looks at every part. Nothing that it opens stays open. */
export async function examination(version: string): Promise<Examination> {
  const groups = await examine();
  const ok = groups.every(({ findings }) => findings.every(({ state }) => state !== 'broken'));
  return { version, host: hostname(), system: `Linux ${release()} ${arch()}`, ok, groups };
}

async function examine(): Promise<Group[]> {
  const native = nativeAddon();
  // Without the addon no other part can be looked at, or even loaded.
  if (native.state !== 'works') return [{ name: 'Every job', findings: [native] }];
  const { partsOf } = await import('./parts.ts');
  return await partsOf(native);
}

function nativeAddon(): Finding {
  const remedy = "npm run build:native in the package's folder (it needs g++, make, python3)";
  return probed('addon', { needed: true, remedy }, () => {
    addon();
    return works('addon', 'loads');
  });
}

const WORDS: Record<State, string> = { works: 'ok', missing: 'no', broken: 'FAIL' };
const MARK_WIDTH = 4;

/** For people: a line for each part, and below what does not work one that says what to do. */
export function shown({ version, host, system, ok, groups }: Examination): string {
  const all = groups.flatMap(({ findings }) => findings);
  const width = Math.max(...all.map(({ part }) => part.length));
  const lines = [`dreg-mpi ${version} on ${host}, ${system}`];
  for (const { name, findings } of groups)
    lines.push('', name, ...findings.flatMap((finding) => linesOf(finding, width)));
  return [...lines, '', verdict(all, ok)].join('\n');
}

function linesOf({ part, state, says, remedy }: Finding, width: number): string[] {
  const line = `  ${WORDS[state].padEnd(MARK_WIDTH)}  ${part.padEnd(width)}  ${says}`;
  if (state === 'works' || remedy === undefined) return [line];
  return [line, `${' '.repeat(MARK_WIDTH + width + 6)}to do: ${remedy}`];
}

function verdict(all: readonly Finding[], ok: boolean): string {
  const broken = all.filter(({ state }) => state === 'broken').map(({ part }) => part);
  if (!ok) return `Jobs do not work here as the environment asks for them: ${broken.join(', ')}`;
  const missing = all.filter(({ state }) => state === 'missing').length;
  if (missing === 0) return 'Everything works here.';
  return `Jobs work here; they do without what is marked "no" (${missing}).`;
}
