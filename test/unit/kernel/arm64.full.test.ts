// dreg.ko on ARM64, in a kernel of Debian's: the one architecture here whose addresses carry tags.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { arm64Kernel, arm64Module, bootArm64 } from '../../guest/harness/arm64.ts';
import { guestsCanRun } from '../../guest/harness/bridge.ts';
import { CHECKOUT } from '../../guest/harness/paths.ts';
import { parseTap } from '../../guest/harness/tap.ts';

/** Cold, it downloads a kernel. */
const TIMEOUT_MS = 1_800_000;

if (guestsCanRun('dreg.ko on ARM64')) {
  test(
    'is built without a warning, and takes tags from addresses',
    async () => {
      const out = mkdtempSync(join(tmpdir(), 'dreg-arm64-'));
      try {
        const kernel = await arm64Kernel((line) => process.stderr.write(`arm64: ${line}\n`));
        const module = await arm64Module(kernel, join(CHECKOUT, 'kernel'), out);
        const source = join(CHECKOUT, 'test/unit/kernel/arm64/init.c');
        const output = await bootArm64(kernel, source, module);
        const { claims, problems } = parseTap(output);
        expect(problems, output).toEqual([]);
        expect(claims.filter(({ ok }) => !ok)).toEqual([]);
        expect(claims.length).toBeGreaterThan(10);
      } finally {
        rmSync(out, { recursive: true });
      }
    },
    TIMEOUT_MS,
  );
}
