import { test } from 'vitest';
import { NoneMonitor } from '../../../runtime/memory/monitors/none.ts';
import { UserfaultfdMonitor } from '../../../runtime/memory/monitors/userfaultfd.ts';
import { needUserfaultfdAndUring } from '../../tools/needs.ts';
import { Channel } from './channel.ts';
import { WAYS } from './javascript.ts';

needUserfaultfdAndUring();

const MONITORS = {
  userfaultfd: () => new UserfaultfdMonitor(),
  none: () => new NoneMonitor(),
};

for (const [name, open] of Object.entries(MONITORS))
  for (const way of WAYS)
    test(`${name}: ${way.name}`, async () => {
      const channel = new Channel(open());
      try {
        await way.run(channel);
      } finally {
        channel.close();
      }
    });
