/** Places that packets leave from: free again when the device is done with them, however late one looks. */
import { expect, test } from 'vitest';
import { SEND_SLOTS, SendSlots } from '../../../../../transports/packets/send-slots.ts';
import { VERBS_LAYOUT } from '../../../../../transports/verbs/layout.ts';
import type { PacketDevice, PacketQueue } from '../../../../../transports/verbs/ports.ts';

/** Slots that are all held by a queue's first work requests. */
function held() {
  const device = { openSendArea: (bytes: number) => ({ bytes: new Uint8Array(bytes) }) };
  const slots = new SendSlots(device as unknown as PacketDevice, VERBS_LAYOUT);
  const queue = { posted: 0, completed: 0 };
  for (; queue.posted < SEND_SLOTS; queue.posted++)
    slots.hold(slots.take(), queue as PacketQueue, queue.posted);
  return { slots, queue };
}

test('a slot is free when its work request has completed', () => {
  const { slots, queue } = held();
  expect(slots.take()).toBe(-1);
  queue.completed = 3;
  expect([0, 1, 2, 3].map(() => slots.take() > 0)).toEqual([true, true, true, false]);
});

test.each([2 ** 31 - 10, 2 ** 31, 2 ** 31 + 1000])(
  'and after %i others without a slot',
  (others) => {
    const { slots, queue } = held();
    queue.completed = (SEND_SLOTS + others) | 0;
    queue.posted = (queue.completed + 16) | 0;
    for (let i = 0; i < SEND_SLOTS; i++) expect(slots.take()).toBeGreaterThan(0);
  },
);
