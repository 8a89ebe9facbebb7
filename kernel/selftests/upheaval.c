// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "upheaval.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "tap.h"

/* Newer than the headers that this is built with. */
#define ADVICE_COLLAPSE		25
#define ADVICE_GUARD_INSTALL	102
#define ADVICE_GUARD_REMOVE	103
#define FEATURE_MOVE		(1 << 16)
#define FEATURE_SIGBUS		(1 << 7)

struct move {
	uint64_t dst;
	uint64_t src;
	uint64_t len;
	uint64_t mode;
	int64_t moved;
};

#define IOCTL_MOVE		_IOWR(0xaa, 0x05, struct move)

enum { BLOCK_PAGES = 512 };

/* One operation: where, and with which dice. */
struct place {
	struct upheaval *arena;
	struct random *random;
	uint32_t first;
	uint32_t last;
	unsigned char *addr;
	size_t bytes;
	struct upheaval_window *window;
};

static unsigned char *at(const struct upheaval *arena, uint32_t page)
{
	return arena->base + (size_t)page * PAGE;
}

static void whole(struct place *place)
{
	place->window->first[0] = 0;
	place->window->last[0] = UPHEAVAL_PAGES;
}

/* The rmap of a page leads to wherever else it, or a part of it, is mapped. */
static void wherever_it_is(struct place *place)
{
	whole(place);
	place->window->may = true;
}

static void whole_block(struct place *place)
{
	place->first -= place->first % BLOCK_PAGES;
	place->last = place->first + BLOCK_PAGES;
	place->addr = at(place->arena, place->first);
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
	return mmap(place->addr, place->bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
		    file, file < 0 ? 0 : (off_t)place->first * PAGE) == place->addr;
}

/* Through the kernel: what is not mapped there is an error and no signal. */
static bool touch(const struct place *place, bool write)
{
	static const unsigned char bytes[1] = { 1 };
	unsigned char got;
	struct iovec here = { write ? (void *)bytes : &got, 1 }, there;
	bool any = false;
	uint32_t page;

	for (page = place->first; page < place->last; page++) {
		there = (struct iovec){ at(place->arena, page), 1 };
		any |= (write ? process_vm_writev(getpid(), &here, 1, &there, 1, 0) :
				process_vm_readv(getpid(), &here, 1, &there, 1, 0)) == 1;
	}
	return any;
}

static bool do_unmap(struct place *place)
{
	place->window->may = true;
	return munmap(place->addr, place->bytes) == 0;
}

static bool do_map(struct place *place)
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
static bool elsewhere(struct place *place, uint32_t *first)
{
	uint32_t pages = place->last - place->first;

	*first = random_below(place->random, UPHEAVAL_PAGES - pages + 1);
	place->window->first[1] = *first;
	place->window->last[1] = *first + pages;
	place->window->may = true;
	return *first >= place->last || *first + pages <= place->first;
}

static bool do_move(struct place *place)
{
	uint32_t to;

	return elsewhere(place, &to) &&
	       mremap(place->addr, place->bytes, place->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		      at(place->arena, to)) != MAP_FAILED;
}

static bool do_move_keeping(struct place *place)
{
	uint32_t to;

	return elsewhere(place, &to) &&
	       mremap(place->addr, place->bytes, place->bytes,
		      MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		      at(place->arena, to)) != MAP_FAILED;
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
	return (random_below(place->random, 2) ? mlock : munlock)(place->addr, place->bytes) == 0;
}

static bool do_soft_dirty(struct place *place)
{
	return write_text("/proc/self/clear_refs",
			  random_below(place->random, 2) ? "4" : "1") == 0;
}

static bool do_uffd_register(struct place *place)
{
	struct uffdio_register area = {
		.range = { .start = (uintptr_t)place->addr, .len = place->bytes },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (random_below(place->random, 2))
		area.mode |= UFFDIO_REGISTER_MODE_WP;
	if (random_below(place->random, 3) == 0)
		return ioctl(place->arena->faults, UFFDIO_UNREGISTER, &area.range) == 0;
	return ioctl(place->arena->faults, UFFDIO_REGISTER, &area) == 0;
}

/* Fresh memory, whose faults are ours; its pages come by the operations below. */
static bool uffd_fresh(struct place *place, uint64_t mode)
{
	struct uffdio_register area = {
		.range = { .start = (uintptr_t)place->addr, .len = place->bytes },
		.mode = mode,
	};

	return do_map(place) && ioctl(place->arena->faults, UFFDIO_REGISTER, &area) == 0;
}

static bool do_uffd_copy(struct place *place)
{
	static unsigned char source[64 * PAGE] __attribute__((aligned(PAGE)));
	struct uffdio_copy copy = {
		.dst = (uintptr_t)place->addr,
		.src = (uintptr_t)source,
		.len = place->bytes < sizeof(source) ? place->bytes : sizeof(source),
	};

	if (random_below(place->random, 2) && !uffd_fresh(place, UFFDIO_REGISTER_MODE_MISSING))
		return false;
	return ioctl(place->arena->faults, UFFDIO_COPY, &copy) == 0 || copy.copy > 0;
}

static bool do_uffd_zero(struct place *place)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)place->addr, .len = place->bytes },
	};

	if (random_below(place->random, 2) && !uffd_fresh(place, UFFDIO_REGISTER_MODE_MISSING))
		return false;
	return ioctl(place->arena->faults, UFFDIO_ZEROPAGE, &zero) == 0 || zero.zeropage > 0;
}

static bool do_uffd_protect(struct place *place)
{
	struct uffdio_writeprotect protect = {
		.range = { .start = (uintptr_t)place->addr, .len = place->bytes },
		.mode = random_below(place->random, 2) ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};
	struct uffdio_register area = {
		.range = protect.range,
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	ioctl(place->arena->faults, UFFDIO_REGISTER, &area);
	return ioctl(place->arena->faults, UFFDIO_WRITEPROTECT, &protect) == 0;
}

/* To fresh memory without pages. */
static bool do_uffd_move(struct place *place)
{
	struct move move = { .src = (uintptr_t)place->addr, .len = place->bytes };
	struct place target = *place;
	uint32_t to;

	if (!elsewhere(place, &to))
		return false;
	target.addr = at(place->arena, to);
	move.dst = (uintptr_t)target.addr;
	/* What was there before is what shows whether the move itself fires. */
	if (random_below(place->random, 2) && !(do_map(place) && touch(place, true)))
		return false;
	return uffd_fresh(&target, UFFDIO_REGISTER_MODE_MISSING) &&
	       (ioctl(place->arena->faults, IOCTL_MOVE, &move) == 0 || move.moved > 0);
}

static bool do_guard(struct place *place)
{
	place->window->may = true;
	return advise(place, random_below(place->random, 3) ? ADVICE_GUARD_INSTALL :
							     ADVICE_GUARD_REMOVE);
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

static const struct {
	const char *name;
	bool (*act)(struct place *place);
	uint32_t weight;
} kinds[] = {
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

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

_Static_assert((int)KINDS <= (int)UPHEAVAL_KINDS, "a count for each kind");

const char *upheaval_name(uint32_t kind)
{
	return kind < KINDS ? kinds[kind].name : NULL;
}

static uint32_t choose_kind(struct random *random)
{
	uint32_t total = 0, kind, left;

	for (kind = 0; kind < KINDS; kind++)
		total += kinds[kind].weight;
	left = random_below(random, total);
	for (kind = 0; left >= kinds[kind].weight; kind++)
		left -= kinds[kind].weight;
	return kind;
}

struct upheaval_window upheaval_act(struct upheaval *arena, struct random *random)
{
	struct upheaval_window window = { .may = false };
	struct place place = { .arena = arena, .random = random, .window = &window };
	/* Mostly a few pages; now and then a huge page and more. */
	uint32_t most = random_below(random, 16) ? 24 : UPHEAVAL_PAGES;
	uint32_t kind = choose_kind(random), room;

	place.first = random_below(random, UPHEAVAL_PAGES);
	room = UPHEAVAL_PAGES - place.first;
	place.last = place.first + 1 + random_below(random, room < most ? room : most);
	place.addr = at(arena, place.first);
	place.bytes = (size_t)(place.last - place.first) * PAGE;
	window.first[0] = place.first;
	window.last[0] = place.last;
	window.kind = kind;
	window.done = kinds[kind].act(&place);
	if (window.done)
		__atomic_add_fetch(&arena->done[kind], 1, __ATOMIC_RELAXED);
	/* Huge pages are changed as a whole and split; their parts may have been moved. */
	if (arena->huge)
		wherever_it_is(&place);
	return window;
}

static int open_faults(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = FEATURE_SIGBUS | UFFD_FEATURE_PAGEFAULT_FLAG_WP | FEATURE_MOVE,
	};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0)
		return fd;
	/* Refused once, it has to be opened anew. */
	close(fd);
	fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	api.api = UFFD_API;
	api.features = FEATURE_SIGBUS | UFFD_FEATURE_PAGEFAULT_FLAG_WP;
	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api))
		tap_bail("UFFDIO_API");
	return fd;
}

void upheaval_make(struct upheaval *arena)
{
	const off_t bytes = (off_t)UPHEAVAL_PAGES * PAGE;
	struct io_uring_params params;
	int i;

	*arena = (struct upheaval){ .base = memory_hole((size_t)bytes, HUGE_PAGE) };
	arena->file = memfd_create("compare", MFD_CLOEXEC);
	must(ftruncate(arena->file, bytes), "ftruncate");
	write_text("/proc/sys/vm/nr_hugepages", "8");
	arena->huge_file = memfd_create("compare", MFD_CLOEXEC | MFD_HUGETLB);
	if (arena->huge_file >= 0)
		must(ftruncate(arena->huge_file, bytes), "ftruncate");
	arena->faults = open_faults();
	arena->self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	for (i = 0; i < 4; i++) {
		params = (struct io_uring_params){ 0 };
		arena->rings[i] = (int)syscall(__NR_io_uring_setup, 1, &params);
		if (arena->rings[i] >= 0)
			fcntl(arena->rings[i], F_SETFD, FD_CLOEXEC);
	}
	/* Nobody but us is to move pages of ours. */
	write_text("/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs",
		   "4000000000");
}

void upheaval_clear(struct upheaval *arena, bool huge_allowed)
{
	int i;

	for (i = 0; i < 4; i++)
		syscall(__NR_io_uring_register, arena->rings[i], IORING_UNREGISTER_BUFFERS, NULL, 0);
	must(munmap(arena->base, (size_t)UPHEAVAL_PAGES * PAGE), "munmap");
	/* The file may have huge pages as well, from MADV_COLLAPSE. */
	must(ftruncate(arena->file, 0), "ftruncate");
	must(ftruncate(arena->file, (off_t)UPHEAVAL_PAGES * PAGE), "ftruncate");
	arena->huge = false;
	arena->huge_allowed = huge_allowed;
}

void upheaval_end(struct upheaval *arena)
{
	int i;

	upheaval_clear(arena, false);
	for (i = 0; i < 4; i++)
		close(arena->rings[i]);
	close(arena->self);
	close(arena->faults);
	if (arena->huge_file >= 0)
		close(arena->huge_file);
	close(arena->file);
	write_text("/proc/sys/vm/nr_hugepages", "0");
}
