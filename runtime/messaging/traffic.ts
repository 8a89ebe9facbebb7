/** Counts what a rank sends to others, for those who ask for it: sends of no other job pass here. */
import type { Channel, Transport } from '../../transports/transport.ts';
import { EAGER, EAGER_FIRST, longOf, RTS, RTS_WORD } from './wire.ts';

/** Messages that have left, and their bytes, however they travel. */
export interface Traffic {
  messages: number;
  bytes: number;
}

/** Before the first contact: channels that the transport makes from now on count. */
export function countTraffic(transport: Transport): Traffic {
  const traffic = { messages: 0, bytes: 0 };
  const connect = transport.connect.bind(transport);
  transport.connect = (peer) => counting(connect(peer), traffic);
  return traffic;
}

/** The first packet of a message says how long the message is. */
function counting(channel: Channel, traffic: Traffic): Channel {
  const count = (kind: number, length: number, extension: Int32Array | null) => {
    if (kind !== EAGER && kind !== EAGER_FIRST && kind !== RTS) return;
    traffic.messages++;
    if (kind === EAGER) traffic.bytes += length;
    else if (extension !== null)
      traffic.bytes +=
        kind === RTS ? longOf(extension, RTS_WORD.lengthLow, RTS_WORD.lengthHigh) : extension[0];
  };
  const { trySend, trySendExtended, trySendPacked } = channel;
  channel.trySend = (kind, ...rest) => {
    const sent = trySend.call(channel, kind, ...rest);
    if (sent) count(kind, rest[4], null);
    return sent;
  };
  channel.trySendExtended = (kind, context, tag, extension, ...rest) => {
    const sent = trySendExtended.call(channel, kind, context, tag, extension, ...rest);
    if (sent) count(kind, rest[2], extension);
    return sent;
  };
  channel.trySendPacked = (kind, context, tag, extension, ...rest) => {
    const sent = trySendPacked.call(channel, kind, context, tag, extension, ...rest);
    if (sent) count(kind, rest[2], extension);
    return sent;
  };
  return channel;
}
