/** Which processes share a node: by the machine, and by what tests say it is. */
import { afterEach, expect, test, vi } from 'vitest';
import { MpiError } from '../../../../runtime/base/error.ts';
import { nodeIdentity } from '../../../../transports/shm/join.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

function identity(id: string): string {
  vi.stubEnv('DREG_NODE_ID', id);
  return nodeIdentity();
}

test('DREG_NODE_ID takes the place of the boot id; empty counts as not set', () => {
  const own = nodeIdentity();
  expect(identity('')).toBe(own);
  expect(new Set([own, identity('host0'), identity('host1')]).size).toBe(3);
  expect(identity('host0')).toBe(identity('host0'));
});

test.each(['a/b', 'a b', '"', 'x'.repeat(65), 'é'])('DREG_NODE_ID=%s is refused', (id) => {
  expect(() => identity(id)).toThrow(MpiError);
  expect(() => identity(id)).toThrow(/DREG_NODE_ID is ".*"; it may have 1 to 64 letters/);
});
