/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For a program that runs for minutes: it says now and then how far it is, and if it
 * gets no further, where it hangs.
 */
#ifndef DREG_SELFTESTS_WATCHDOG_H
#define DREG_SELFTESTS_WATCHDOG_H

#include <stdint.h>

/*
 * Once.  @progress counts what has been done.  If it stands still, the threads' system
 * calls and stacks are shown, @describe says what is being done, and the program bails
 * out.  DREG_WATCHDOG_SECONDS in the environment is how long it may stand still.
 */
void watchdog_start(const uint64_t *progress, void (*describe)(void));

#endif
