/** It must be shown to be needed, and to be right: the heart of the pinned-memory manager. */
import { expect, test } from 'vitest';
import { NoneMonitor } from '../../../runtime/memory/monitors/none.ts';
import { UserfaultfdMonitor } from '../../../runtime/memory/monitors/userfaultfd.ts';
import { needUserfaultfdAndUring } from '../../tools/needs.ts';
import { Channel } from './channel.ts';
import { NaiveMonitor } from './naive.ts';
import { type Outcome, SCENARIOS } from './scenarios.ts';

needUserfaultfdAndUring();

const MONITORS: [string, () => UserfaultfdMonitor | NoneMonitor, Outcome][] = [
  ['naive', () => new NaiveMonitor(), 'old'],
  ['userfaultfd', () => new UserfaultfdMonitor(), 'new'],
  ['userfaultfd, fence always', () => new UserfaultfdMonitor({ fence: 'always' }), 'new'],
  ['none', () => new NoneMonitor(), 'new'],
];

for (const [name, open, expected] of MONITORS)
  for (const scenario of SCENARIOS)
    test(`${name} gives the ${expected} bytes: ${scenario.name}`, async () => {
      const channel = new Channel(open());
      try {
        expect(await scenario.run(channel)).toBe(expected);
      } finally {
        channel.close();
      }
    });
