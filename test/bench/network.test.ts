import { describe, expect, it } from 'vitest';
import { rowsOf, type Taken } from './network/rows.ts';
import { bars } from './network/svg.ts';

const one = (round: number, who: string, ns: number): Taken => ({
  ...{ round, who, ns, place: 'loopback', link: 'lo', operation: 'pingpong', bytes: 8 },
});

describe('bench:network', () => {
  it('forms ratios within each round, and holds their median against the targets', () => {
    const rows = rowsOf([
      ...[one(0, 'ours', 6000), one(0, 'Open MPI tcp', 10_000)],
      ...[one(1, 'ours', 70_000), one(1, 'Open MPI tcp', 100_000)],
      ...[one(2, 'ours', 9000), one(2, 'Open MPI tcp', 10_000)],
    ]);
    expect(rows.map(({ who, us }) => [who, us.median])).toEqual([
      ['ours', 9],
      ['Open MPI tcp', 10],
    ]);
    expect(rows[0]).toMatchObject({ ours: null, targets: [] });
    expect(rows[1].ours).toEqual({ median: 0.7, least: 0.6, most: 0.9 });
    expect(rows[1].targets).toEqual([{ of: 'Open MPI tcp', most: 0.65, value: 0.7, met: false }]);
  });

  it('judges nothing where ours is not there, or not in the same round', () => {
    const [row] = rowsOf([one(0, 'Open MPI tcp', 1)]);
    expect([row.ours, row.targets]).toEqual([null, []]);
    const apart = rowsOf([one(0, 'ours', 1), one(1, 'Open MPI tcp', 1)]);
    expect(apart.flatMap(({ targets }) => targets)).toEqual([]);
  });

  it('draws a bar for each half round trip', () => {
    const picture = bars(rowsOf([one(0, 'ours', 1e4), one(0, 'tcp;<x>', 1e5)]));
    expect(picture.match(/<rect x/g)).toHaveLength(2);
    expect(picture).toContain('tcp;&#60;x&#62;');
  });
});
