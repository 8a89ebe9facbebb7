/** wake.cc: one descriptor to sleep on, for several and a timer; and giving the processor away. */
import { addon } from './addon.ts';

export interface WakeAddon {
  /**
   * A descriptor that is readable while one of these is. The first `edges` of them are looked at for news only: what they
   * were readable by before {@link epollDrain} counts no more.
   */
  epollCreate(fds: Int32Array, edges?: number): number;
  epollDrain(fd: number): number;
  timerCreate(): number;
  /** The timer becomes readable after so many milliseconds; 0: it stops, and is not readable. */
  timerSet(fd: number, milliseconds: number): number;
  yieldCpu(): number;
}

export const wakeAddon = (): WakeAddon => addon() as unknown as WakeAddon;
