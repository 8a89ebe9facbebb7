/** The credit window: how many packets, and how many bytes of them, two ranks have under way. */
import { describe, expect, test } from 'vitest';
import { CONTROL, DATA_WINDOW } from '../../../../transports/packets/layout.ts';
import { CreditWindow, OWES_NOTHING } from '../../../../transports/packets/window.ts';

const WINDOW = 1000;

/** The other end says what it took. */
function hears(sender: CreditWindow, receiver: CreditWindow): void {
  expect(sender.learn(receiver.takenWord, receiver.returnedWord)).toBe(true);
  receiver.told();
}

describe('a window of bytes', () => {
  test('has room for what is under way and no more', () => {
    const sender = new CreditWindow(WINDOW);
    sender.sent(600);
    expect(sender.hasRoom(400)).toBe(true);
    expect(sender.hasRoom(401)).toBe(false);
  });

  test('has room again for the bytes of what was taken, packet by packet, in their order', () => {
    const sender = new CreditWindow(WINDOW);
    const receiver = new CreditWindow(WINDOW);
    for (let round = 0; round < 3 * DATA_WINDOW; round++) {
      sender.sent(700);
      sender.sent(300);
      expect(sender.hasRoom(1)).toBe(false);
      receiver.took(700);
      hears(sender, receiver);
      expect([sender.hasRoom(700), sender.hasRoom(701)]).toEqual([true, false]);
      receiver.took(300);
      hears(sender, receiver);
      expect([sender.hasRoom(WINDOW), sender.hasRoom(WINDOW + 1)]).toEqual([true, false]);
    }
  });

  test('a credit packet is due once half of it was taken, however few packets that is', () => {
    const receiver = new CreditWindow(WINDOW);
    receiver.took(499);
    expect(receiver.owed(false)).toBe(OWES_NOTHING);
    receiver.took(1);
    expect(receiver.owed(false)).toBe(CONTROL.credit);
    receiver.told();
    expect(receiver.owed(false)).toBe(OWES_NOTHING);
  });
});

test('without a limit of bytes the number of packets alone counts', () => {
  const sender = new CreditWindow(Number.POSITIVE_INFINITY);
  for (let packet = 0; packet < DATA_WINDOW; packet++) {
    expect(sender.hasRoom(2 ** 30)).toBe(true);
    sender.sent(2 ** 30);
  }
  expect(sender.hasRoom(0)).toBe(false);
});
