/** Ranks that an RDMA device reaches (docs/internals/verbs.md). */
import { now } from '../../runtime/base/clock.ts';
import { Doorbell } from '../packets/doorbell.ts';
import { SEGMENT_BYTES } from '../packets/one-sided.ts';
import { PacketTransport } from '../packets/transport.ts';
import { VERBS_LAYOUT, VERBS_SLOT_BYTES } from './layout.ts';
import { Liveness } from './liveness.ts';
import { type VerbsJob, VerbsPeers } from './peers.ts';
import type { PacketDevice, PacketQueue } from './ports.ts';

export class VerbsTransport extends PacketTransport<PacketQueue> {
  /** Tells the others where this rank is; returns when all have. @throws MpiError ERR_NO_MEM, ERR_SYSTEM */
  constructor(device: PacketDevice, job: VerbsJob) {
    let made: VerbsPeers | undefined;
    super({
      rank: job.rank,
      size: job.size,
      layout: VERBS_LAYOUT,
      device,
      software: device.software,
      receives: device.openReceiveQueue(VERBS_SLOT_BYTES),
      segmentBytes: Math.min(SEGMENT_BYTES, device.messageBytesMax),
      oneSided: true,
      peers(host) {
        made = new VerbsPeers(device, job, host);
        return made;
      },
      liveness: ({ channels }) => new Liveness(device, channels, now),
      doorbell: (peers) => doorbellOf(device, peers as VerbsPeers),
    });
    made?.publish();
  }
}

function doorbellOf(device: PacketDevice, { setup }: VerbsPeers): Doorbell {
  const { fd } = setup;
  const ringer = {
    fds: [device.wakeFd, device.asyncFd],
    edges: false,
    arm() {
      device.arm();
      return false;
    },
    disarm: () => device.disarm(),
  };
  return new Doorbell(ringer, fd === undefined ? null : { fd, take: () => setup.poll?.(true) });
}
