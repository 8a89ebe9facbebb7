/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The contexts that this process has mapped, for the sake of its children.
 *
 * A forked child does not inherit a shared area, and its next mmap() may get the
 * hole.  So before the child's own code runs, the hole is filled with memory of
 * the child's that says: everything has changed.
 */
#ifndef LIBDREG_CONTEXTS_H
#define LIBDREG_CONTEXTS_H

#include <stdbool.h>
#include <stddef.h>

#include "dreg.h"

/* Of this library alone, whoever links it. */
#pragma GCC visibility push(hidden)

/* 0, or -1 without memory. */
int contexts_add(const struct dreg_shared *shared, size_t bytes);

/*
 * Forgets it.  True in a child whose hole was filled: what is at @shared is
 * memory of ours then.
 */
bool contexts_remove(const struct dreg_shared *shared);

#pragma GCC visibility pop

#endif
