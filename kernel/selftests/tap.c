// SPDX-License-Identifier: GPL-2.0
#include "tap.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int claims;
static int failures;

static void print_line(const char *prefix, const char *text, va_list args)
{
	fputs(prefix, stdout);
	vprintf(text, args);
	putchar('\n');
	/* A guest may die in the next instruction: what was found must be out. */
	fflush(stdout);
}

bool tap_ok(bool pass, const char *name, ...)
{
	char prefix[32];
	va_list args;

	claims++;
	if (!pass)
		failures++;
	snprintf(prefix, sizeof(prefix), "%s %d - ", pass ? "ok" : "not ok",
		 claims);
	va_start(args, name);
	print_line(prefix, name, args);
	va_end(args);
	return pass;
}

void tap_diag(const char *text, ...)
{
	va_list args;

	va_start(args, text);
	print_line("# ", text, args);
	va_end(args);
}

void tap_lacks(const char *name, const char *what)
{
	const char *ci = getenv("CI");

	if (ci && *ci && strcmp(ci, "false") && strcmp(ci, "0")) {
		tap_diag("this machine lacks %s", what);
		tap_ok(false, "%s", name);
		return;
	}
	claims++;
	printf("ok %d - %s # SKIP this machine lacks %s\n", claims, name, what);
	fflush(stdout);
}

void tap_bail(const char *why, ...)
{
	int error = errno;
	va_list args;

	va_start(args, why);
	print_line("Bail out! ", why, args);
	va_end(args);
	tap_diag("errno %d: %s", error, strerror(error));
	exit(1);
}

int tap_done(void)
{
	printf("1..%d\n", claims);
	fflush(stdout);
	return failures ? 1 : 0;
}

int tap_failures(void)
{
	return failures;
}
