/** dregrun --summary: what each rank used and sent. */
import { expect, test } from 'vitest';
import type { Outcome } from '../../../../runtime/launch/outcome.ts';
import { dregrun, fixture } from '../../../tools/launcher.ts';

const SENDS = fixture('sends.mjs');
const outcomeOf = (stderr: string) =>
  JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '') as Outcome;

test('counts the messages of each rank and their bytes, however they travel', async () => {
  const { status, stderr } = await dregrun(['-n', '2', '--summary', '--json', SENDS]);
  const [sender, receiver] = outcomeOf(stderr).ranks.map(({ summary }) => summary);
  expect(sender).toMatchObject({ messages: 3, bytes: 8 + 100_000 + 4 * 2 ** 20 });
  expect(receiver).toMatchObject({ messages: 0, bytes: 0 });
  for (const rank of [sender, receiver]) {
    expect(rank?.milliseconds).toBeGreaterThan(0);
    expect(rank?.cpuMilliseconds).toBeGreaterThan(0);
    // Node alone has so much.
    expect(rank?.peakBytes).toBeGreaterThan(20 * 2 ** 20);
  }
  expect(status).toBe(0);
});

test('is a table for people, a line a rank', async () => {
  const { stderr } = await dregrun(['-n', '2', '--summary', SENDS]);
  const [head, ...rows] = stderr.trimEnd().split('\n');
  expect(head).toMatch(/^rank +time +CPU +peak memory +messages +bytes sent$/);
  expect(rows).toHaveLength(2);
  expect(rows[0]).toMatch(/^ +0 +[\d.]+ s +[\d.]+ s +[\d.]+ MiB +3 +4\.1 MiB$/);
  expect(rows[1]).toMatch(/^ +1 +[\d.]+ s +[\d.]+ s +[\d.]+ MiB +0 +0 B$/);
});

test('knows nothing of the messages of other programs, or of a rank that was killed', async () => {
  const script = 'test $PMI_RANK = 0 || kill -9 $$';
  const { status, stderr } = await dregrun([
    ...['-n', '2', '--summary', '--json', '--', 'sh', '-c', script],
  ]);
  for (const { summary } of outcomeOf(stderr).ranks)
    expect(summary).toMatchObject({ messages: null, bytes: null });
  expect(stderr).toMatch(/^ +1 .* - +-$/m);
  expect(status).toBe(137);
});

test('without it nobody counts', async () => {
  const { stderr } = await dregrun(['-n', '2', '--json', SENDS]);
  for (const rank of outcomeOf(stderr).ranks) expect(rank).not.toHaveProperty('summary');
});
