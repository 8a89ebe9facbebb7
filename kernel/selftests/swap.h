/* SPDX-License-Identifier: GPL-2.0 */
/* A swap device, so that anonymous memory can be reclaimed. */
#ifndef DREG_SELFTESTS_SWAP_H
#define DREG_SELFTESTS_SWAP_H

#include <stdbool.h>

/* False: this machine has none to give. */
bool swap_on(void);
void swap_off(void);

#endif
