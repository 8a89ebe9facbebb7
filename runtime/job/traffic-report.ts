/** How a rank tells its launcher what it has sent: a value under a key of its own, before it leaves. */

export interface SentTraffic {
  messages: number;
  bytes: number;
}

export const trafficKey = (rank: number) => `dreg.traffic.${rank}`;

/** In letters that travel as they are. */
export const formatTraffic = ({ messages, bytes }: SentTraffic) => `${messages}_${bytes}`;

/** Of the value as it lies in the launcher's key-value space, with the number of its parts before it. */
export function parseTraffic(value: string | undefined): SentTraffic | null {
  const [, messages, bytes] = /^1\.([0-9]+)_([0-9]+)$/.exec(value ?? '') ?? [];
  return messages === undefined ? null : { messages: Number(messages), bytes: Number(bytes) };
}
