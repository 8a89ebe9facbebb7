/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the test of calls share. */
#ifndef DREG_SELFTESTS_CALLS_H
#define DREG_SELFTESTS_CALLS_H

#include <stddef.h>
#include <sys/types.h>

enum { SLOTS = 16 };

/* One line of the test. */
void gives(long got, long wanted, const char *what);
int new_context(void);
/* What mmap() fails with: 0 or a negative errno; nothing stays mapped. */
long map_error(int fd, size_t bytes, int protection, int flags, off_t offset);

/* Opening the device, setting it up, and what there is before that. */
void calls_of_setup(void);

#endif
