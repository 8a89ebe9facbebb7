import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../native/addon.ts';
import { compare } from './p2p/rounds.ts';
import { floorHeld, median, spread } from './p2p/spread.ts';
import { verdicts } from './p2p/verdict.ts';

describe('spread', () => {
  it('takes the middle, and the mean of two in the middle', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([1, 9, 5, 4])).toBe(4.5);
    expect(spread([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3 });
  });

  it('sees a floor that moved', () => {
    expect(floorHeld([70, 75, 71], 0.15)).toBe(true);
    expect(floorHeld([70, 280, 71], 0.15)).toBe(false);
    expect(floorHeld([280, 70], 0.15)).toBe(false);
  });
});

describe('comparison', () => {
  const figures = [
    { who: 'ours', measure: 'sync', bytes: 8, ns: 90 },
    { who: 'slow', measure: 'latency', bytes: 8, ns: 200 },
    { who: 'fast', measure: 'latency', bytes: 8, ns: 100 },
    { who: 'fast', measure: 'latency', bytes: 64, ns: 1 },
    { who: 'ours', measure: 'sync', bytes: 128, ns: 95 },
  ];

  it('sets ours beside the fastest peer at the same size', () => {
    expect(compare(figures, 70)).toEqual([
      { measure: 'sync', bytes: 8, ns: 90, floor: 70, peer: 100 },
      { measure: 'sync', bytes: 128, ns: 95, floor: 70, peer: undefined },
    ]);
  });

  it('forms ratios within each round and holds their median against the targets', () => {
    const round = (ns: number, floor: number, peer: number | undefined) => ({
      measure: 'sync' as const,
      bytes: 8,
      ns,
      floor,
      peer,
    });
    const [verdict] = verdicts([round(90, 60, 100), round(400, 250, 500), round(99, 60, 100)]);
    expect(verdict.rounds).toBe(3);
    expect(verdict.perPeer).toEqual({ median: 0.9, least: 0.8, most: 0.99 });
    expect(verdict.targets.map(({ what, met }) => [what, met])).toEqual([
      ['ours/best peer', true],
      ['ours/floor', true],
    ]);
    const [missed] = verdicts([round(101, 60, 100)]);
    expect(missed.targets.map(({ met }) => met)).toEqual([false, false]);
    const [alone] = verdicts([round(90, 60, undefined)]);
    expect(alone.perPeer).toBeUndefined();
    expect(alone.targets.map(({ what }) => what)).toEqual(['ours/floor']);
  });
});

describe('bench:p2p', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dreg-bench-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A runner whose one peer needs the same time for everything. */
  function runner(ns: number): string {
    const path = join(folder, `peer-${ns}`);
    writeFileSync(
      path,
      `#!/bin/sh\nmode=$1; shift\necho '{"peer":"floor","mode":"latency","bytes":8,"ns":0.001}'\n` +
        `for bytes; do echo "{\\"peer\\":\\"fake\\",\\"mode\\":\\"$mode\\",\\"bytes\\":$bytes,\\"ns\\":${ns}}"; done\n`,
    );
    chmodSync(path, 0o755);
    return path;
  }

  /** One round at one size, whatever the floor does meanwhile. */
  async function bench(ns: number) {
    const words = ['--rounds', '1', '--sizes', '8', '--floor-tolerance', '1e9', '--no-costs'];
    const { stdout } = await promisify(execFile)(process.execPath, [
      join(packageRoot(), 'dist/test/bench/p2p.js'),
      ...['--peers', runner(ns), '--json', ...words],
    ]);
    const lines = stdout.trim().split('\n');
    return lines.map((line) => JSON.parse(line));
  }

  // A whole round, on a machine that may be busy with other things.
  it('compares with a runner', { timeout: 1_200_000 }, async () => {
    const ns = 1e9;
    const rows = await bench(ns);
    expect(rows.map(({ measure, bytes }) => [measure, bytes])).toEqual([
      ['sync', 8],
      ['allocated', 8],
      ['rate-sync', 8],
      ['rate-nonblocking', 8],
      ['await', 8],
    ]);
    for (const { measure, ns: own, perPeer, perFloor, targets } of rows) {
      expect(own.median).toBeGreaterThan(0);
      expect(perFloor.median).toBeGreaterThan(0);
      if (measure === 'await') expect(perPeer).toBeUndefined();
      else expect(perPeer.median).toBeCloseTo(own.median / ns, 6);
      for (const target of targets)
        if (target.what === 'ours/best peer') expect(target.met).toBe(true);
    }
  });
});
