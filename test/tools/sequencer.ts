/**
 * The order of the tests: the guest of `npm test` boots before the first and its results are read after
 * the last, so that it runs beside them. It takes as long as they do, and uses little more than one core.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { missingForSetup } from '../guest/harness/setup.ts';

const QUICK = 'test/guest/quick.test.ts';

function bootInBackground(root: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'dreg-quick-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'result');
  process.env.DREG_QUICK_RESULT = file;
  if (missingForSetup().length > 0) return;
  const program = join(root, 'dist/test/guest/quick.js');
  // The pipe ends with this process, and the guest with the pipe.
  const child = spawn(process.execPath, [program, file], { stdio: ['pipe', 'inherit', 'inherit'] });
  child.on('exit', () => writeFileSync(`${file}.ended`, ''));
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
}

export class GuestBesideTheRest extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isQuick = ({ moduleId }: TestSpecification) => moduleId.endsWith(QUICK);
    const quick = sorted.filter(isQuick);
    if (quick.length > 0) bootInBackground(this.ctx.config.root);
    return [...sorted.filter((file) => !isQuick(file)), ...quick];
  }
}
