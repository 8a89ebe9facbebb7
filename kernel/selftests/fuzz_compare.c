// SPDX-License-Identifier: GPL-2.0
/* Where the fuzzer's model and the module are held against each other. */
#include "fuzz.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "tap.h"

struct fuzz fuzz;

void difference(const char *text, ...)
{
	char line[256];
	va_list args;

	va_start(args, text);
	vsnprintf(line, sizeof(line), text, args);
	va_end(args);
	tap_diag("round %" PRIu64 ": %s", fuzz.round, line);
	fuzz.differs = true;
}

void compare(const char *call, long got, long wanted)
{
	if (got != wanted)
		difference("%s gave %ld instead of %ld", call, got, wanted);
	if (wanted < 0 && wanted > -256)
		fuzz.seen_errno[-wanted] = true;
}
