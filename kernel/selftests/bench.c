// SPDX-License-Identifier: GPL-2.0
#include "bench.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>

#include "bare/bare.h"
#include "tap.h"

uint64_t bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

double bench_median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return count % 2 ? values[count / 2] :
		(values[count / 2 - 1] + values[count / 2]) / 2;
}

void bench_print(const char *name, const char *unit, const double *values,
		 size_t count)
{
	size_t i;

	printf("{\"name\":\"%s\",\"%s\":[", name, unit);
	for (i = 0; i < count; i++)
		printf("%s%.3f", i ? "," : "", values[i]);
	puts("]}");
	fflush(stdout);
}

void bench_hear_all(void)
{
	struct dreg_bare_range all = { .addr = 0, .len = ULONG_MAX };
	int fd = open("/dev/dreg_bare", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, DREG_BARE_INSERT, &all))
		tap_bail("/dev/dreg_bare: load kernel/selftests/bare");
}
