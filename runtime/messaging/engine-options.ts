/** What a message engine is made of, and the preferences it is given. */
import type { Transport } from '../../transports/transport.ts';
import type { Board } from './deadlock/standstill.ts';
import type { CreditLimits } from './flow/credit.ts';
import type { Preference, RendezvousPreference } from './rendezvous/cost-model.ts';
import type { SpinLimits } from './waiting.ts';

export interface EngineOptions extends SpinLimits {
  rank: number;
  size: number;
  self: Transport;
  /** Reaches the ranks of this node; absent in a world of one. */
  node: Transport | null;
  /** Each rank's node, by world rank; absent where all ranks are on one. */
  nodes?: readonly string[];
  /** DREG_SINGLE_COPY: whether a large message is fetched through the kernel. */
  singleCopy: Preference;
  /** DREG_RNDV: how a large message goes. */
  rendezvous: RendezvousPreference;
  /** Where the ranks of this node say what they wait for. */
  board?: Board | null;
  /** DREG_DEADLOCK_MS: how long a rank sleeps before it says so there, if not PUBLISH_AFTER_MS. */
  deadlockMs?: number;
  /** Credit with each peer, by flow, if not CREDIT_LIMITS; the same for all ranks. */
  credit?: readonly CreditLimits[];
}
