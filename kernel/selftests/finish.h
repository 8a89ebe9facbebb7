/* SPDX-License-Identifier: GPL-2.0 */
/* How a program of these ends. */
#ifndef DREG_SELFTESTS_FINISH_H
#define DREG_SELFTESTS_FINISH_H

/*
 * Claims that the module holds nothing any more (the caller has closed what it
 * opened), then prints the plan; the value for main() to return.
 */
int finish(void);

#endif
