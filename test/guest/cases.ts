/** Named checks, and a test of each: what guests run beside suites of vitest's own. */
import { describe, test } from 'vitest';

export interface Case {
  name: string;
  /** Throws where something is wrong. */
  check(): void | Promise<void>;
}

/** @param skips says of an error that the machine lacks something, and the case is to be left out */
export function caseTests(
  what: string,
  cases: readonly Case[],
  skips: (error: unknown) => error is Error = (_): _ is Error => false,
): void {
  describe(what, () => {
    for (const { name, check } of cases)
      test(name, async (context) => {
        try {
          await check();
        } catch (error) {
          if (skips(error)) context.skip(error.message);
          throw error;
        }
      });
  });
}
