/** Programs for the guest: named checks, told as TAP. */

export interface Claim {
  name: string;
  check(): void | Promise<void>;
}

/** Runs all; the exit status says whether one failed. */
export async function runClaims(
  claims: Claim[],
  skips?: (error: unknown) => boolean,
): Promise<void> {
  console.log(`1..${claims.length}`);
  for (const [i, claim] of claims.entries()) {
    try {
      await claim.check();
      console.log(`ok ${i + 1} - ${claim.name}`);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      if (skips?.(error)) {
        console.log(`ok ${i + 1} - ${claim.name} # SKIP ${(error as Error).message}`);
        continue;
      }
      process.exitCode = 1;
      console.log(`not ok ${i + 1} - ${claim.name}`);
      for (const line of text.split('\n')) console.log(`# ${line}`);
    }
  }
}
