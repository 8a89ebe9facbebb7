/** Monitors by name. */
import { MpiError } from '../../base/error.ts';
import type { Monitor } from '../monitor.ts';
import { DregMonitor } from './dreg.ts';
import { SLOTS_DEFAULT } from './layout.ts';
import { NoneMonitor } from './none.ts';
import { USERFAULTFD_SLOTS_MAX, UserfaultfdMonitor } from './userfaultfd.ts';

export const MONITORS = ['dreg', 'userfaultfd', 'none'] as const;

export type MonitorName = (typeof MONITORS)[number];

export interface MonitorOptions {
  /** Ranges that can be monitored at one time, a power of two; as many of them as there can be. */
  slots?: number;
  /** Told why each monitor that was tried before the answer does not work. */
  rejected?: (name: MonitorName, why: MpiError) => void;
}

const OPEN: Record<MonitorName, (options: { slots?: number }) => Monitor> = {
  dreg: (options) => new DregMonitor(options),
  userfaultfd: ({ slots = SLOTS_DEFAULT }) =>
    new UserfaultfdMonitor({ slots: Math.min(slots, USERFAULTFD_SLOTS_MAX) }),
  none: () => new NoneMonitor(),
};

/**
 * The monitor of that name; 'auto' is the first that works: dreg, userfaultfd, none (rule R8: with
 * 'none' nothing is cached). Without a name, that of DREG_MONITOR, else 'auto'.
 *
 * @throws MpiError ERR_ARG for an unknown name; ERR_UNSUPPORTED or ERR_SYSTEM where a monitor that
 * was asked for by its name does not work here.
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
  throw new MpiError('ERR_INTERNAL', 'the monitor that watches nothing does not work');
}

function nameOfEnvironment(): MonitorName | 'auto' {
  const name = process.env.DREG_MONITOR;
  if (name === undefined || name === '' || name === 'auto') return 'auto';
  return known(name);
}

function known(name: string): MonitorName {
  if ((MONITORS as readonly string[]).includes(name)) return name as MonitorName;
  throw new MpiError(
    'ERR_ARG',
    `there is no monitor "${name}"; there are auto, ${MONITORS.join(', ')}`,
  );
}
