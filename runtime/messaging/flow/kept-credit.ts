/** What peers are charged with for messages that are kept, and the credit that goes back to them. */
import { EXTENSION_WORDS } from '../../../transports/transport.ts';
import { MpiError } from '../../base/error.ts';
import type { Output } from '../output.ts';
import type { Peer } from '../peer.ts';
import { CREDIT } from '../wire.ts';
import { LIBRARY } from './credit.ts';

export class KeptCredit {
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  /** A message of a peer is kept. @throws MpiError ERR_PROTOCOL where it is beyond all credit */
  charge(peer: Peer, flow: number, charge: number): void {
    if (!peer.incoming[flow].keep(charge))
      throw new MpiError('ERR_PROTOCOL', 'a peer sends more than its credit allows');
  }

  /** It is kept no more. */
  discharge(peer: Peer, flow: number, charge: number): void {
    peer.incoming[flow].kept -= charge;
    this.giveBack(peer, flow, charge);
  }

  /** A message has found its receive. */
  giveBack(peer: Peer, flow: number, charge: number): void {
    if (flow !== LIBRARY) peer.channel.returnCredit(charge);
    else this.#giveBackLater(peer, charge);
  }

  #giveBackLater(peer: Peer, charge: number): void {
    const flow = peer.incoming[LIBRARY];
    if (!flow.giveBack(charge)) return;
    const words = new Int32Array(EXTENSION_WORDS);
    words[0] = flow.returned;
    this.#output.sendControl(peer, CREDIT, LIBRARY, words);
  }
}
