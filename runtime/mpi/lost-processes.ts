/** What the launcher says of lost processes becomes what this rank's operations with them end with. */
import { addon } from '../../native/addon.ts';
import { MpiError } from '../base/error.ts';
import type { LossReports } from '../job/job.ts';
import { sayLast } from '../job/last-words.ts';
import type { Engine } from '../messaging/engine.ts';

export interface Heeding {
  close(): void;
}

/** A rank that blocks asks when it looks whether its peers are there; the event loop has the descriptor. */
export function heedLosses(losses: LossReports, engine: Engine): Heeding {
  const look = () => {
    for (const { rank, reason } of losses.take())
      if (rank === null) endWithLauncher(engine.rank, reason);
      else if (rank < engine.size) engine.onPeerError(rank, lost(engine.rank, rank, reason));
  };
  engine.failures.reports = look;
  const watcher = new (addon().Watcher)(losses.fd, true, look);
  watcher.unref();
  return {
    close() {
      engine.failures.reports = null;
      watcher.close();
    },
  };
}

function lost(rank: number, peer: number, reason: string): MpiError {
  const message = `the launcher says that its process has ended (${reason}): look at that rank's output`;
  return new MpiError('ERR_PEER_FAILED', message, { rank, peer });
}

/** Nobody is left to end this rank, which other ranks may wait for, with the job. */
function endWithLauncher(rank: number, reason: string): never {
  sayLast(`rank ${rank} ends, because its launcher has ended (${reason}): start the job again`);
  process.exit(1);
}
