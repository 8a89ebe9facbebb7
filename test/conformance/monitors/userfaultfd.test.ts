import { test } from 'vitest';
import { UserfaultfdMonitor } from '../../../runtime/memory/monitors/userfaultfd.ts';
import { needUserfaultfdAndUring } from '../../tools/needs.ts';
import { Missing, Scene } from './scene.ts';
import { CASES, SLOTS } from './suite.ts';

needUserfaultfdAndUring();

const OPTIONS = [
  { name: 'userfaultfd', mappingsByText: false },
  { name: 'userfaultfd, mappings by text', mappingsByText: true },
];

for (const { name, mappingsByText } of OPTIONS)
  for (const { name: claim, run } of CASES)
    test(`${name}: ${claim}`, (context) => {
      const scene = new Scene(new UserfaultfdMonitor({ slots: SLOTS, mappingsByText }));
      try {
        run(scene);
      } catch (error) {
        if (!(error instanceof Missing) || process.env.CI === 'true') throw error;
        context.skip(error.message);
      } finally {
        scene.end();
      }
    });
