// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "upheaval_kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "tap.h"

/* Newer than the headers that this is built with. */
#define ADVICE_COLLAPSE		25

unsigned char *place_of(const struct upheaval *arena, uint32_t page)
{
	return arena->base + (size_t)page * PAGE;
}

static void whole(struct place *place)
{
	place->window->first[0] = 0;
	place->window->last[0] = UPHEAVAL_PAGES;
}

/* The rmap of a page leads to wherever else it, or a part of it, is mapped. */
void wherever_it_is(struct place *place)
{
	whole(place);
	place->window->may = true;
}

/*
 * To stretch a mapping to where the guard behind the arena is fails; the error says
 * whether it is one mapping that is there.
 */
static bool one_mapping_covers(const struct upheaval *arena, uint32_t block)
{
	unsigned char *start = place_of(arena, block * UPHEAVAL_BLOCK_PAGES);

	if (mremap(start, HUGE_PAGE, (size_t)(place_of(arena, UPHEAVAL_PAGES) - start) + PAGE,
		   0) != MAP_FAILED)
		tap_bail("the arena has grown");
	return errno != EFAULT;
}

static void cut_at(struct place *place, const unsigned char *addr)
{
	uint32_t page = (uint32_t)((size_t)(addr - place->arena->base) / PAGE);
	uint32_t block = page / UPHEAVAL_BLOCK_PAGES;

	if (page % UPHEAVAL_BLOCK_PAGES == 0)
		return;
	place->window->cut[block] = true;
	place->window->whole[block] |= one_mapping_covers(place->arena, block);
}

void cuts(struct place *place)
{
	cut_at(place, place->addr);
	cut_at(place, place->addr + place->bytes);
}

static void whole_block(struct place *place)
{
	place->first -= place->first % UPHEAVAL_BLOCK_PAGES;
	place->last = place->first + UPHEAVAL_BLOCK_PAGES;
	place->addr = place_of(place->arena, place->first);
	place->bytes = HUGE_PAGE;
	place->window->first[0] = place->first;
	place->window->last[0] = place->last;
}

static bool advise(struct place *place, int advice)
{
	return madvise(place->addr, place->bytes, advice) == 0;
}

static bool map(struct place *place, int flags, int file)
{
	cuts(place);
	return mmap(place->addr, place->bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
		    file, file < 0 ? 0 : (off_t)place->first * PAGE) == place->addr;
}

/* Through the kernel: what is not mapped there is an error and no signal. */
bool touch(const struct place *place, bool write)
{
	static const unsigned char bytes[1] = { 1 };
	unsigned char got;
	struct iovec here = { write ? (void *)bytes : &got, 1 }, there;
	bool any = false;
	uint32_t page;

	for (page = place->first; page < place->last; page++) {
		there = (struct iovec){ place_of(place->arena, page), 1 };
		any |= (write ? process_vm_writev(getpid(), &here, 1, &there, 1, 0) :
				process_vm_readv(getpid(), &here, 1, &there, 1, 0)) == 1;
	}
	return any;
}

static bool do_unmap(struct place *place)
{
	place->window->may = true;
	cuts(place);
	return munmap(place->addr, place->bytes) == 0;
}

bool do_map(struct place *place)
{
	place->window->may = true;
	return map(place, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static bool do_map_file(struct place *place)
{
	place->window->may = true;
	return map(place, random_below(place->random, 2) ? MAP_SHARED : MAP_PRIVATE,
		   place->arena->file);
}

static bool do_map_hugetlb(struct place *place)
{
	if (!place->arena->huge_allowed)
		return false;
	whole_block(place);
	place->window->may = true;
	place->arena->huge = true;
	if (random_below(place->random, 2))
		return map(place, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	return place->arena->huge_file >= 0 &&
	       map(place, MAP_SHARED, place->arena->huge_file);
}

static bool do_huge(struct place *place)
{
	if (!place->arena->huge_allowed)
		return false;
	whole_block(place);
	place->window->may = true;
	place->arena->huge = true;
	if (!map(place, MAP_PRIVATE | MAP_ANONYMOUS, -1) || !advise(place, MADV_HUGEPAGE))
		return false;
	place->last = place->first + 1;
	return touch(place, true);
}

static bool do_collapse(struct place *place)
{
	if (!place->arena->huge_allowed)
		return false;
	whole_block(place);
	wherever_it_is(place);
	place->arena->huge = true;
	return advise(place, ADVICE_COLLAPSE);
}

static bool do_dontneed(struct place *place)
{
	place->window->may = true;
	return advise(place, MADV_DONTNEED);
}

static bool do_free(struct place *place)
{
	place->window->may = true;
	return advise(place, MADV_FREE);
}

static bool do_pageout(struct place *place)
{
	wherever_it_is(place);
	return advise(place, MADV_PAGEOUT);
}

static bool do_cold(struct place *place)
{
	return advise(place, MADV_COLD);
}

static bool do_process_madvise(struct place *place)
{
	static const int advices[] = { MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, ADVICE_COLLAPSE,
				       MADV_DONTNEED };
	struct iovec range = { place->addr, place->bytes };
	int advice = advices[random_below(place->random, 5)];

	if (advice == ADVICE_COLLAPSE && !place->arena->huge_allowed)
		return false;
	wherever_it_is(place);
	place->arena->huge = place->arena->huge || advice == ADVICE_COLLAPSE;
	return syscall(SYS_process_madvise, place->arena->self, &range, 1, advice, 0) > 0;
}

static bool do_protect(struct place *place)
{
	static const int protections[] = { PROT_READ, PROT_NONE, PROT_READ | PROT_WRITE,
					   PROT_READ | PROT_WRITE };

	cuts(place);
	return mprotect(place->addr, place->bytes,
			protections[random_below(place->random, 4)]) == 0;
}

/* Copy on write, of the page of zeroes too. */
static bool do_write(struct place *place)
{
	return touch(place, true);
}

static bool do_read(struct place *place)
{
	return touch(place, false);
}

/* A place of as many pages, elsewhere. */
bool elsewhere(struct place *place, uint32_t *first)
{
	uint32_t pages = place->last - place->first;

	*first = random_below(place->random, UPHEAVAL_PAGES - pages + 1);
	place->window->first[1] = *first;
	place->window->last[1] = *first + pages;
	place->window->may = true;
	return *first >= place->last || *first + pages <= place->first;
}

static bool move(struct place *place, int flags)
{
	struct place target = *place;
	uint32_t to;

	if (!elsewhere(place, &to))
		return false;
	target.addr = place_of(place->arena, to);
	cuts(place);
	cuts(&target);
	return mremap(place->addr, place->bytes, place->bytes,
		      MREMAP_MAYMOVE | MREMAP_FIXED | flags, target.addr) != MAP_FAILED;
}

static bool do_move(struct place *place)
{
	return move(place, 0);
}

static bool do_move_keeping(struct place *place)
{
	return move(place, MREMAP_DONTUNMAP);
}

/* The parent writes while the child still has the pages. */
static bool do_fork(struct place *place)
{
	struct place part = *place;
	int status;
	pid_t child;

	/* Not fork(): its handlers wait for locks of the other thread. */
	child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	while (child == 0)
		pause();
	part.last = part.first + 1 + (part.last - part.first) / 2;
	touch(&part, true);
	return child > 0 && kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child;
}

static bool do_truncate(struct place *place)
{
	const off_t bytes = (off_t)UPHEAVAL_PAGES * PAGE;

	wherever_it_is(place);
	if (random_below(place->random, 2))
		return fallocate(place->arena->file,
				 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 (off_t)place->first * PAGE, (off_t)place->bytes) == 0;
	return ftruncate(place->arena->file, (off_t)place->first * PAGE) == 0 &&
	       ftruncate(place->arena->file, bytes) == 0;
}

static bool do_lock(struct place *place)
{
	/* Brings pages in, and private ones to where they can stay. */
	place->window->may = true;
	cuts(place);
	return (random_below(place->random, 2) ? mlock : munlock)(place->addr, place->bytes) == 0;
}

static bool do_soft_dirty(struct place *place)
{
	return write_text("/proc/self/clear_refs",
			  random_below(place->random, 2) ? "4" : "1") == 0;
}

/* Registering is an operation, too: it copies pages, or moves them. */
static bool do_pin(struct place *place)
{
	int ring = place->arena->rings[random_below(place->random, 4)];
	struct iovec range = { place->addr, place->bytes };

	place->window->may = true;
	syscall(__NR_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
	if (random_below(place->random, 4) == 0)
		return true;
	return syscall(__NR_io_uring_register, ring, IORING_REGISTER_BUFFERS, &range, 1) == 0;
}

const struct upheaval_kind upheaval_kinds[] = {
	{ "munmap", do_unmap, 4 },
	{ "mmap(MAP_FIXED)", do_map, 8 },
	{ "mmap of a file", do_map_file, 3 },
	{ "hugetlb", do_map_hugetlb, 1 },
	{ "transparent huge page", do_huge, 1 },
	{ "MADV_COLLAPSE", do_collapse, 1 },
	{ "MADV_DONTNEED", do_dontneed, 4 },
	{ "MADV_FREE", do_free, 2 },
	{ "MADV_PAGEOUT", do_pageout, 2 },
	{ "MADV_COLD", do_cold, 2 },
	{ "process_madvise", do_process_madvise, 2 },
	{ "mprotect", do_protect, 3 },
	{ "write", do_write, 14 },
	{ "read", do_read, 5 },
	{ "mremap", do_move, 3 },
	{ "MREMAP_DONTUNMAP", do_move_keeping, 2 },
	{ "fork", do_fork, 2 },
	{ "truncation, hole punch", do_truncate, 2 },
	{ "mlock", do_lock, 1 },
	{ "clear_refs", do_soft_dirty, 1 },
	{ "userfaultfd registration", do_uffd_register, 4 },
	{ "UFFDIO_COPY", do_uffd_copy, 2 },
	{ "UFFDIO_ZEROPAGE", do_uffd_zero, 1 },
	{ "UFFDIO_WRITEPROTECT", do_uffd_protect, 2 },
	{ "UFFDIO_MOVE", do_uffd_move, 2 },
	{ "guard pages", do_guard, 2 },
	{ "pin", do_pin, 4 },
};

const uint32_t upheaval_kind_count = sizeof(upheaval_kinds) / sizeof(upheaval_kinds[0]);

_Static_assert(sizeof(upheaval_kinds) / sizeof(upheaval_kinds[0]) <= UPHEAVAL_KINDS,
	       "a count for each kind");
