/** The pages of the site: the Markdown of the repository as it stands, each with a name and a place in the menu. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The menu, from its top. */
export const GROUPS = [
  'Start',
  'Guides',
  'Reference',
  'Operating',
  'Performance',
  'Internals',
] as const;
export type Group = (typeof GROUPS)[number];

export interface SitePage {
  /** In the repository. */
  path: string;
  title: string;
  group: Group;
  text: string;
}

const INDEX = 'docs/README.md';
/** Pages that stand elsewhere than their folder says. */
const PLACES: Record<string, Group> = {
  [INDEX]: 'Start',
  'docs/examples.md': 'Guides',
  'docs/changelog.md': 'Reference',
  'docs/known-gaps.md': 'Reference',
  'CONTRIBUTING.md': 'Internals',
};
const FOLDERS: Record<string, Group> = {
  start: 'Start',
  guide: 'Guides',
  reference: 'Reference',
  operating: 'Operating',
  internals: 'Internals',
};

/**
 * All pages, in the order in which docs/README.md names them.
 * @throws Error where it does not name one, or a page has no heading
 */
export function sitePages(root: string): SitePage[] {
  const index = readFileSync(join(root, INDEX), 'utf8');
  const named = Array.from(index.matchAll(/\]\(([^)#]+\.md)\)/g), ([, to]) => join('docs', to));
  const order = [...new Set([INDEX, ...named])];
  const there = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`);
  const missing = there.filter((path) => !order.includes(path));
  if (missing.length > 0) throw new Error(`${INDEX} does not name ${missing.join(', ')}`);
  return order.map((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    const [, heading] = /^# (.*)$/m.exec(text) ?? [];
    if (heading === undefined) throw new Error(`${path} has no heading`);
    return { path, title: heading.replaceAll('`', ''), group: groupOf(path), text };
  });
}

function groupOf(path: string): Group {
  const folder = path.split('/')[1];
  const group =
    PLACES[path] ?? (path.endsWith('-performance.md') ? 'Performance' : FOLDERS[folder]);
  if (group === undefined) throw new Error(`${path}: which part of the menu is it of?`);
  return group;
}
