/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Test Anything Protocol output for the self-tests: one line for each claim,
 * numbered here, with the plan printed last by tap_done().
 */
#ifndef DREG_SELFTESTS_TAP_H
#define DREG_SELFTESTS_TAP_H

#include <stdbool.h>

/* "ok N - NAME" or "not ok N - NAME"; returns @pass. */
bool tap_ok(bool pass, const char *name, ...)
	__attribute__((format(printf, 2, 3)));

/* "# TEXT": shown beside the claim that follows or precedes it. */
void tap_diag(const char *text, ...) __attribute__((format(printf, 1, 2)));

/*
 * The machine lacks what @name needs.  A skip that is named, and a failure
 * where nothing may be skipped (CI is set in the environment).
 */
void tap_lacks(const char *name, const char *what);

/* The test cannot go on at all: "Bail out!" and exit. */
void tap_bail(const char *why, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* Prints the plan; the value for main() to return. */
int tap_done(void);

/* How many claims have failed so far. */
int tap_failures(void);

#endif
