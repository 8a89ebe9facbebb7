/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/dreg_bare: what the kernel's part of monitoring costs by itself.  The
 * benchmark compares /dev/dreg with it; nothing else uses it.
 *
 *	int fd = open("/dev/dreg_bare", O_RDWR);
 *	ioctl(fd, DREG_BARE_EMPTY);			nothing
 *	ioctl(fd, DREG_BARE_INSERT, &range);		mmu_interval_notifier_insert
 *	ioctl(fd, DREG_BARE_REMOVE);			mmu_interval_notifier_remove
 *
 * One notifier an open file, allocated by open; no locks, no checks beyond what
 * keeps a wrong benchmark from crashing the kernel (EBUSY, ENOENT).
 */
#ifndef DREG_BARE_H
#define DREG_BARE_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct dreg_bare_range {
	__u64 addr;
	__u64 len;
};

#define DREG_BARE_EMPTY		_IO(0xdc, 0)
#define DREG_BARE_INSERT	_IOW(0xdc, 1, struct dreg_bare_range)
#define DREG_BARE_REMOVE	_IO(0xdc, 2)

#endif /* DREG_BARE_H */
