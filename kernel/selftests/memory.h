/* SPDX-License-Identifier: GPL-2.0 */
/* Memory for the scenarios: where exactly it is, and what exactly is in it. */
#ifndef DREG_SELFTESTS_MEMORY_H
#define DREG_SELFTESTS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

enum { PAGE = 4096 };
#define HUGE_PAGE ((size_t)2 << 20)

enum {
	BYTE_OLD = 0x0a,	/* what was there when it was registered */
	BYTE_NEW = 0xbb,	/* what the program put there afterwards */
};

/*
 * @count pages of anonymous memory filled with BYTE_OLD, never part of a
 * transparent huge page, alone between two guards of PROT_NONE, so that no
 * neighbour merges with it and an operation on it has exactly its range.
 */
unsigned char *memory_pages(size_t count);

/* @bytes of unmapped address space between two guards of PROT_NONE. */
unsigned char *memory_hole(size_t bytes, size_t alignment);

/* Fresh zeroed pages at a place that is unmapped now; bails out otherwise. */
void memory_map_at(void *addr, size_t bytes);

/* True if all of [addr, addr + len) is @byte. */
bool memory_is(const void *addr, unsigned char byte, size_t len);

/* Bails out unless @result is 0: a system call that a scenario rests on. */
void must(int result, const char *what);

/* Writes @text to a file of /proc or /sys; 0 or -1 with errno. */
int write_text(const char *path, const char *text);

/* The number that a file of /proc or /sys begins with; -1 with errno. */
long long read_number(const char *path);

#endif
