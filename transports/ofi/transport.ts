/** Ranks that a network reaches through libfabric (docs/internals/ofi.md). */
import type { NetworkJob } from '../packets/connected-peers.ts';
import { Doorbell } from '../packets/doorbell.ts';
import { SEGMENT_BYTES } from '../packets/one-sided.ts';
import { PacketTransport } from '../packets/transport.ts';
import type { OfiDevice } from './device/endpoint.ts';
import type { OfiQueue } from './device/queue.ts';
import { OFI_LAYOUT } from './layout.ts';
import { OFI_LEFT_MS, OfiPeers } from './peers.ts';

export class OfiTransport extends PacketTransport<OfiQueue> {
  /** Tells the others where this rank is; returns when all have. @throws MpiError ERR_NO_MEM, ERR_SYSTEM */
  constructor(device: OfiDevice, job: NetworkJob, leftMs = OFI_LEFT_MS) {
    super({
      rank: job.rank,
      size: job.size,
      layout: OFI_LAYOUT,
      device,
      software: false,
      receives: device.receives,
      segmentBytes: Math.min(SEGMENT_BYTES, device.messageBytesMax),
      oneSided: true,
      peers: (host) => new OfiPeers(device, job, host, leftMs),
      liveness: (peers) => (peers as OfiPeers).liveness,
      doorbell: () =>
        new Doorbell({
          fds: device.wakeFds,
          // A provider may leave its signal standing once it has given one.
          edges: !device.ownWaits,
          arm: () => !device.quiet,
          disarm() {},
        }),
    });
  }
}
