/** Blocks: made by one, found by all, and used again once nobody touches them. */
import { afterEach, describe, expect, test } from 'vitest';
import { MpiError } from '../../../../runtime/base/error.ts';
import { CHAINS, CONTROL, LEFT } from '../../../../transports/shm/layout.ts';
import { ShmGroup } from '../../../conformance/transports/shm-group.ts';

const groups: ShmGroup[] = [];

function open(ranks: number): ShmGroup {
  const group = new ShmGroup(ranks);
  groups.push(group);
  return group;
}

afterEach(() => {
  for (const group of groups.splice(0)) group.close();
});

const membersOf = (...ranks: number[]) => ({
  size: ranks.length,
  worldOf: (rank: number) => ranks[rank],
});
const named = (serial: number) => ({ serial, bytes: 2000, areaBytes: 8192 });

describe('blocks', () => {
  test('all members have the same memory, all zero, at the same place', () => {
    const { transports } = open(3);
    const members = membersOf(2, 0);
    const [zero, , two] = transports.map(({ blocks }) => blocks);
    expect(zero.open(named(1), members)).toBeNull();
    const made = two.open(named(1), members);
    const found = zero.open(named(1), members);
    if (made === null || found === null) throw new Error('the block is missing');
    const mine = new Uint8Array(made.memory, made.byteOffset, 2000);
    const theirs = new Uint8Array(found.memory, found.byteOffset, 2000);
    expect(theirs.every((byte) => byte === 0)).toBe(true);
    mine[0] = 1;
    mine[1999] = 2;
    expect([theirs[0], theirs[1999]]).toEqual([1, 2]);
    made.reserveArea();
    found.reserveArea();
    const area = (block: typeof made, rank: number) =>
      new Uint8Array(block.memory, block.areasOffset + rank * 8192, 8192);
    area(made, 0).fill(7);
    area(found, 1).fill(9);
    expect(area(found, 0).every((byte) => byte === 7)).toBe(true);
    expect(area(made, 1).every((byte) => byte === 9)).toBe(true);
    expect(theirs[1999]).toBe(2);
    expect(zero.open(named(2), members)).toBeNull();
  });

  test('reach is of the ranks of this node', () => {
    const [{ blocks }] = open(2).transports;
    expect([blocks.reach(membersOf(0, 1)), blocks.reach(membersOf(0, 2))]).toEqual([true, false]);
  });

  test('ten thousand made, used and given up take no more memory than one', () => {
    const group = open(2);
    const [zero, one] = group.transports.map(({ blocks }) => blocks);
    const members = membersOf(0, 1);
    const once = (serial: number) => {
      const blocks = [zero.open(named(serial), members), one.open(named(serial), members)];
      for (const block of blocks)
        new Int32Array(block?.memory as ArrayBuffer, block?.byteOffset, 1)[0]++;
      blocks[serial % 2]?.close();
      blocks[1 - (serial % 2)]?.close();
    };
    once(1);
    const before = group.memory;
    for (let serial = 2; serial <= 10_000; serial++) once(serial);
    expect(group.memory).toBeLessThanOrEqual(before + 2 * 4096);
  });

  test('memory is not given to another while one member has it, and is zero again', () => {
    const group = open(3);
    const [zero, one, two] = group.transports.map(({ blocks }) => blocks);
    const members = membersOf(0, 1, 2);
    const made = zero.open(named(1), members);
    const held = one.open(named(1), members);
    if (made === null || held === null) throw new Error('the block is missing');
    new Uint8Array(made.memory, made.byteOffset, 2000).fill(5);
    made.close();
    two.forsake(named(1), members);
    const second = zero.open(named(2), members);
    expect(second?.byteOffset).not.toBe(made.byteOffset);
    expect(new Uint8Array(held.memory, held.byteOffset, 1)[0]).toBe(5);
    held.close();
    const third = zero.open(named(3), members);
    expect(third?.byteOffset).toBe(made.byteOffset);
    const bytes = new Uint8Array(third?.memory as ArrayBuffer, third?.byteOffset, 2000);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    expect(one.open(named(1), members)).toBeNull();
    expect(one.open(named(3), members)?.byteOffset).toBe(third?.byteOffset);
  });

  test('who has left touches nothing', () => {
    const group = open(2);
    const [zero] = group.transports.map(({ blocks }) => blocks);
    const made = zero.open(named(1), membersOf(0, 1));
    made?.close();
    Atomics.store(group.control(1), CONTROL.presence, LEFT);
    expect(zero.open(named(2), membersOf(0, 1))?.byteOffset).toBe(made?.byteOffset);
  });

  test('blocks of one chain are found and taken out in any order', () => {
    const [zero, one] = open(2).transports.map(({ blocks }) => blocks);
    const members = membersOf(0, 1);
    const serials = [0, 1, 2, 3].map((turn) => 5 + turn * CHAINS);
    const made = serials.map((serial) => zero.open(named(serial), members));
    const places = () => serials.map((serial) => one.open(named(serial), members)?.byteOffset);
    expect(places()).toEqual(made.map((block) => block?.byteOffset));
    for (const place of [2, 0, 3]) {
      one.open(named(serials[place]), members)?.close();
      made[place]?.close();
    }
    expect(places()).toEqual([undefined, made[1]?.byteOffset, undefined, undefined]);
  });

  test.each([0, 1])('a member (%i) without memory opens no more, and all know', (short) => {
    const group = open(2);
    const blocks = group.transports.map((each) => each.blocks);
    const members = membersOf(0, 1);
    const openBoth = (serial: number) => blocks.map((each) => each.open(named(serial), members));
    // One that maps the others' blocks already needs no memory for another one.
    const before = short === 0 ? openBoth(1) : [];
    const segment = group.segments[short];
    const none = () => {
      throw new MpiError('ERR_NO_MEM', 'none');
    };
    segment.reserveHeap = none;
    segment.mapHeaps = none;
    const found = openBoth(2);
    expect(found[short] === null).toBe(true);
    for (const each of blocks)
      expect([each.declines(short), each.declines(1 - short)]).toEqual([true, false]);
    expect(openBoth(3).map((block) => block === null)).toEqual([true, true]);
    // What is open stays so, and can be closed.
    for (const block of [...before, ...found]) block?.close();
    for (const each of blocks) each.forsake(named(2), members);
  });

  test('words that a peer has spoilt are an error, and never a crash', () => {
    const group = open(2);
    const [, one] = group.transports.map(({ blocks }) => blocks);
    Atomics.store(group.control(0), CONTROL.directory, 0x7fff_ffff);
    expect(() => one.open(named(1), membersOf(0, 1))).toThrow(MpiError);
  });
});
