/** What the tests of memory need of the machine. */
import { beforeEach } from 'vitest';
import { MpiError } from '../../runtime/base/error.ts';
import { UringDomain } from '../../runtime/memory/domains/uring.ts';
import { UserfaultfdMonitor } from '../../runtime/memory/monitors/userfaultfd.ts';

function lacking(): string | undefined {
  try {
    new UserfaultfdMonitor({ slots: 1 }).close();
    new UringDomain({ entries: 1, buffers: 1 }).attach().close();
    return undefined;
  } catch (error) {
    if (error instanceof MpiError) return error.message;
    throw error;
  }
}

/**
 * For test files that use userfaultfd and io_uring: where these are not, each test is skipped with
 * the reason, and under CI fails.
 */
export function needUserfaultfdAndUring(): void {
  const reason = lacking();
  beforeEach((context) => {
    if (reason === undefined) return;
    if (process.env.CI === 'true') throw new Error(`${reason}; under CI nothing may be skipped`);
    context.skip(reason);
  });
}
