/* SPDX-License-Identifier: GPL-2.0 */
/* The one io_uring operation that changes mappings, without liburing. */
#ifndef DREG_SELFTESTS_URING_H
#define DREG_SELFTESTS_URING_H

#include <stddef.h>

/*
 * madvise() done by the kernel's io_uring instead of by libc.  Returns the
 * completion's result (0 or a negative errno), or -1 with errno where there
 * is no io_uring.
 */
int uring_madvise(void *addr, size_t len, int advice);

#endif
