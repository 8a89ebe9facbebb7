/* SPDX-License-Identifier: GPL-2.0 */
/* What the benchmarks share: time, medians, one JSON object a line. */
#ifndef DREG_SELFTESTS_BENCH_H
#define DREG_SELFTESTS_BENCH_H

#include <stddef.h>
#include <stdint.h>

/* Nanoseconds of the monotonic clock. */
uint64_t bench_now(void);

/* The median of @count values, which it sorts. */
double bench_median(double *values, size_t count);

/*
 * {"name":"NAME","UNIT":[VALUE, ...]}, one value a round: who reads it compares
 * values of the same round, since what disturbs a machine lasts for rounds.
 */
void bench_print(const char *name, const char *unit, const double *values,
		 size_t count);

/*
 * From now on this process has a notifier over its whole address space that does
 * nothing (bare/): what the kernel itself takes for telling anybody of changes.
 */
void bench_hear_all(void);

#endif
