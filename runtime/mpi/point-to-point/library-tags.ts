/**
 * Tags of a communicator's second context, which only the library uses. Each kind of message has a range of its own, so
 * that none is taken for another.
 */

/** How a partitioned buffer is divided, by the program's tag. Collective operations have the tags below. */
export const DIVISION_TAG = 0x2000_0000;
/** Partitions, by their numbers. */
export const PARTITION_TAG = 0x4000_0000;
/** What follows the first message of an object, by the object's number. */
export const OBJECT_REST_TAG = 0x6000_0000;
/** That an object was received. */
export const OBJECT_ACK_TAG = 0x7000_0000;

export const PARTITION_TAGS = OBJECT_REST_TAG - PARTITION_TAG;
export const OBJECT_IDS = OBJECT_ACK_TAG - OBJECT_REST_TAG;

/** What a message of the library belongs to, for those who are told of a wait. */
export function operationOf(tag: number): string {
  if (tag < DIVISION_TAG) return 'a collective';
  return tag < OBJECT_REST_TAG ? 'a partitioned operation' : 'the rest of an object';
}
