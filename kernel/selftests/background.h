/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel does to a program's memory on its own account.  Such work fires
 * ranges, and rightly so, where a test says that nothing does.
 */
#ifndef DREG_SELFTESTS_BACKGROUND_H
#define DREG_SELFTESTS_BACKGROUND_H

/*
 * Turns off, until this program ends: huge pages that nobody has asked for,
 * khugepaged, compaction in advance, NUMA balancing.  As root; what this kernel does
 * not have needs no turning off.
 */
void background_off(void);

/*
 * Shows what has happened all the same since background_off(): reclaim, compaction,
 * migration.  For the message of a failed claim.
 */
void background_show(void);

#endif
