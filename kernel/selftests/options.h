/* SPDX-License-Identifier: GPL-2.0 */
/* Command line and environment of the programs that take a seed or a size. */
#ifndef DREG_SELFTESTS_OPTIONS_H
#define DREG_SELFTESTS_OPTIONS_H

#include <stdint.h>

struct options {
	uint64_t seed;		/* --seed N; default: from the clock */
	uint64_t rounds;	/* --rounds N; default: the program's */
	uint32_t threads;	/* --threads N; default: the program's */
	uint32_t ranges;	/* --ranges N; default: the program's */
};

/* Fills @options from argv over the defaults that it holds; prints them. */
void options_parse(struct options *options, int argc, char **argv);

#endif
