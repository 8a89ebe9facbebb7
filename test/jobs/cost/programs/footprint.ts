/** Prints the bytes resident in a process: bare, or (argv: rank) after it has talked to its peer. */

if (process.argv[2] === 'rank') {
  const { MPI } = await import('dreg-mpi');
  const world = MPI.world;
  const other = 1 - world.rank;
  // Always the same arrays: how much of what the collector frees the C library keeps is chance.
  const bytes = new Uint8Array(300_000);
  const into = new Uint8Array(300_000);
  for (let i = 0; i < 20; i++) {
    world.sendrecvSync(bytes, other, 1, into, other, 1);
    await world.sendrecv(new Uint8Array(8), other, 1, new Uint8Array(8), other, 1);
  }
}
globalThis.gc?.();
process.stdout.write(`${process.memoryUsage.rss()}\n`);
