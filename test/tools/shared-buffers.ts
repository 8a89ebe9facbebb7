/** The lines of Node from 22 on in which some versions have no SharedArrayBuffer over memory of others, and the first that has. */
const SINCE: Readonly<Record<number, number>> = {
  22: 23,
  23: Infinity,
  24: 21,
  25: Infinity,
  26: 12,
};

/** Whether this Node has a SharedArrayBuffer over memory that is not its own. */
export function hasSharedBuffers(): boolean {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major >= 22 && minor >= (SINCE[major] ?? 0);
}
