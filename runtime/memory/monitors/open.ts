/** Monitors by name. */
import { MpiError } from '../../base/error.ts';
import type { Monitor } from '../monitor.ts';
import { DregMonitor } from './dreg.ts';
import { SLOTS_DEFAULT } from './layout.ts';
import { NoneMonitor } from './none.ts';
import { USERFAULTFD_SLOTS_MAX, UserfaultfdMonitor } from './userfaultfd.ts';

/** Names of the monitors, in the order in which 'auto' tries them. */
export const MONITORS = ['dreg', 'userfaultfd', 'none'] as const;

/** One of {@link MONITORS}. */
export type MonitorName = (typeof MONITORS)[number];

/** How a monitor is opened. */
export interface MonitorOptions {
  /** Ranges that can be monitored at one time, a power of two. Each monitor has a limit of its own. Default: 4096. */
  slots?: number;
  /** Called for each monitor that was tried and does not work, with the reason. */
  rejected?: (name: MonitorName, why: MpiError) => void;
}

const OPEN: Record<MonitorName, (options: { slots?: number }) => Monitor> = {
  dreg: (options) => new DregMonitor(options),
  userfaultfd: ({ slots = SLOTS_DEFAULT }) =>
    new UserfaultfdMonitor({ slots: Math.min(slots, USERFAULTFD_SLOTS_MAX) }),
  none: () => new NoneMonitor(),
};

/**
 * Opens a monitor. 'auto' opens the first that works: dreg, userfaultfd, none. With 'none' nothing is cached.
 * @param name default: the value of DREG_MONITOR, else 'auto'
 * @throws MpiError ERR_ARG for an unknown name; ERR_UNSUPPORTED or ERR_SYSTEM where the monitor of that name does
 *   not work here
 */
export function openMonitor(
  name: MonitorName | 'auto' = nameOfEnvironment(),
  options: MonitorOptions = {},
): Monitor {
  if (name !== 'auto') return OPEN[known(name)](options);
  for (const candidate of MONITORS) {
    try {
      return OPEN[candidate](options);
    } catch (error) {
      if (!(error instanceof MpiError) || error.code === 'ERR_ARG') throw error;
      options.rejected?.(candidate, error);
    }
  }
  throw new MpiError('ERR_INTERNAL', 'the monitor none does not open');
}

/**
 * @environment DREG_MONITOR | `auto` (default), `dreg`, `userfaultfd`, `none` | the monitor, which tells
 *   that memory changed ([monitors](../guide/registration-cache.md#monitors))
 */
function nameOfEnvironment(): MonitorName | 'auto' {
  const name = process.env.DREG_MONITOR;
  if (name === undefined || name === '' || name === 'auto') return 'auto';
  return known(name);
}

function known(name: string): MonitorName {
  if ((MONITORS as readonly string[]).includes(name)) return name as MonitorName;
  throw new MpiError(
    'ERR_ARG',
    `there is no monitor "${name}" (DREG_MONITOR, or the name that was passed): use one of auto, ${MONITORS.join(', ')}`,
  );
}
