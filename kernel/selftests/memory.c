// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

void must(int result, const char *what)
{
	if (result)
		tap_bail("%s", what);
}

unsigned char *memory_hole(size_t bytes, size_t alignment)
{
	size_t reserved = bytes + alignment + 2 * PAGE;
	unsigned char *base, *hole;

	base = mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		tap_bail("reserve %zu bytes", reserved);
	hole = (unsigned char *)(((uintptr_t)base + PAGE + alignment - 1) &
				 ~(uintptr_t)(alignment - 1));
	must(munmap(hole, bytes), "open the hole");
	return hole;
}

void memory_map_at(void *addr, size_t bytes)
{
	void *mapped = mmap(addr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			    MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (mapped != addr)
		tap_bail("map %zu bytes at %p", bytes, addr);
}

unsigned char *memory_pages(size_t count)
{
	unsigned char *pages = memory_hole(count * PAGE, PAGE);

	memory_map_at(pages, count * PAGE);
	must(madvise(pages, count * PAGE, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	memset(pages, BYTE_OLD, count * PAGE);
	return pages;
}

bool memory_is(const void *addr, unsigned char byte, size_t len)
{
	const unsigned char *bytes = addr;
	size_t i;

	for (i = 0; i < len; i++)
		if (bytes[i] != byte)
			return false;
	return true;
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t written;
	int error;

	if (fd < 0)
		return -1;
	written = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return written == (ssize_t)strlen(text) ? 0 : -1;
}

long long read_number(const char *path)
{
	char text[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -1;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return -1;
	text[got] = 0;
	return strtoll(text, NULL, 10);
}
