/** What runtime/messaging/event-loop.ts takes of the event loop, where a test has put it in the place of Node's. */
export const loop = { immediates: [] as (() => void)[], time: 0 };
