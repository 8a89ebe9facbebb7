/** The ports to workers that are open: they end with MPI. */

const open = new Set<() => void>();

/** @returns forgets it again */
export function whenFinalized(end: () => void): () => void {
  open.add(end);
  return () => {
    open.delete(end);
  };
}

export function endPorts(): void {
  for (const end of open) end();
  open.clear();
}
