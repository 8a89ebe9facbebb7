// SPDX-License-Identifier: MIT
/*
 * For LD_PRELOAD: a /dev/dreg whose calls are interrupted, as those of an older module are by any
 * signal. It counts in each range's flags how often it has dealt with the range.
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../../kernel/dreg.h"

enum { BUSY_SLOT = 99 };

/* How many ranges each call deals with before a signal comes; the last meets none. */
static const unsigned int PORTIONS[] = { 0, 2, 0, 1 };

static int batch(struct dreg_batch *batch)
{
	static unsigned int calls;
	const unsigned int portions = sizeof(PORTIONS) / sizeof(PORTIONS[0]);
	unsigned int most = calls < portions ? PORTIONS[calls] : batch->count;
	struct dreg_range *range = (struct dreg_range *)batch->ranges;

	calls++;
	for (batch->done = 0; batch->done < batch->count; batch->done++, range++) {
		if (range->slot == BUSY_SLOT)
			return EBUSY;
		if (batch->done == most)
			return EINTR;
		range->flags++;
	}
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *argument;

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	if (request != DREG_IOC_MONITOR && request != DREG_IOC_UNMONITOR)
		return (int)syscall(SYS_ioctl, fd, request, argument);
	errno = batch(argument);
	return errno ? -1 : 0;
}
