// SPDX-License-Identifier: GPL-2.0
#include "options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tap.h"

static uint64_t seed_from_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000003u + (uint64_t)now.tv_nsec;
}

void options_parse(struct options *options, int argc, char **argv)
{
	int i;

	if (!options->seed)
		options->seed = seed_from_clock();
	for (i = 1; i + 1 < argc; i += 2) {
		uint64_t value = strtoull(argv[i + 1], NULL, 0);

		if (!strcmp(argv[i], "--seed"))
			options->seed = value;
		else if (!strcmp(argv[i], "--rounds"))
			options->rounds = value;
		else if (!strcmp(argv[i], "--threads"))
			options->threads = (uint32_t)value;
		else if (!strcmp(argv[i], "--ranges"))
			options->ranges = (uint32_t)value;
		else
			tap_bail("unknown option %s", argv[i]);
	}
	if (i < argc)
		tap_bail("option %s lacks its value", argv[i]);
	tap_diag("%s --seed %" PRIu64 " --rounds %" PRIu64 " --threads %u --ranges %u",
		 argv[0], options->seed, options->rounds, options->threads, options->ranges);
}
