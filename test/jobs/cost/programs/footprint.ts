/** Prints the bytes resident in a process: bare, or (argv: rank) after it has talked to its peer. */

if (process.argv[2] === 'rank') {
  const { MPI } = await import('../../../../runtime/index.ts');
  const world = MPI.world;
  const other = 1 - world.rank;
  const bytes = new Uint8Array(300_000);
  for (let i = 0; i < 20; i++) {
    world.sendrecvSync(bytes, other, 1, new Uint8Array(300_000), other, 1);
    await world.sendrecv(new Uint8Array(8), other, 1, new Uint8Array(8), other, 1);
  }
}
globalThis.gc?.();
process.stdout.write(`${process.memoryUsage.rss()}\n`);
