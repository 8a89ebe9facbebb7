// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory.h"
#include "tap.h"
#include "upheaval_kinds.h"

/* Newer than the headers that this is built with. */
#define FEATURE_MOVE		(1 << 16)
#define FEATURE_SIGBUS		(1 << 7)
#define ADVICE_GUARD_INSTALL	102
#define ADVICE_GUARD_REMOVE	103

struct move {
	uint64_t dst;
	uint64_t src;
	uint64_t len;
	uint64_t mode;
	int64_t moved;
};

#define IOCTL_MOVE		_IOWR(0xaa, 0x05, struct move)

/*
 * Held where markers of write protection may come to be, and where a guard is put.  In
 * a mapping of a file that has such markers, 7.3 never gets a guard in: it clears the
 * place, which leaves the markers, finds it not empty, and begins the call anew.  Only
 * to be killed ends that.  It does so with no module loaded.
 */
static pthread_mutex_t markers = PTHREAD_MUTEX_INITIALIZER;

bool do_uffd_register(struct place *place)
{
	struct uffdio_register area = {
		.range = { .start = (uintptr_t)place->addr, .len = place->bytes },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (random_below(place->random, 2))
		area.mode |= UFFDIO_REGISTER_MODE_WP;
	cuts(place);
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

	if (!do_map(place))
		return false;
	/* It may have become one with its neighbours. */
	cuts(place);
	return ioctl(place->arena->faults, UFFDIO_REGISTER, &area) == 0;
}

bool do_uffd_copy(struct place *place)
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

bool do_uffd_zero(struct place *place)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)place->addr, .len = place->bytes },
	};

	if (random_below(place->random, 2) && !uffd_fresh(place, UFFDIO_REGISTER_MODE_MISSING))
		return false;
	return ioctl(place->arena->faults, UFFDIO_ZEROPAGE, &zero) == 0 || zero.zeropage > 0;
}

bool do_uffd_protect(struct place *place)
{
	struct uffdio_writeprotect protect = {
		.range = { .start = (uintptr_t)place->addr, .len = place->bytes },
		.mode = random_below(place->random, 2) ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};
	struct uffdio_register area = {
		.range = protect.range,
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	bool done;

	cuts(place);
	pthread_mutex_lock(&markers);
	ioctl(place->arena->faults, UFFDIO_REGISTER, &area);
	done = ioctl(place->arena->faults, UFFDIO_WRITEPROTECT, &protect) == 0;
	pthread_mutex_unlock(&markers);
	return done;
}

bool do_guard(struct place *place)
{
	struct uffdio_range range = { .start = (uintptr_t)place->addr, .len = place->bytes };
	bool install = random_below(place->random, 3), done;

	place->window->may = true;
	cuts(place);
	pthread_mutex_lock(&markers);
	/* To unregister removes the markers. */
	done = (!install || ioctl(place->arena->faults, UFFDIO_UNREGISTER, &range) == 0) &&
	       madvise(place->addr, place->bytes,
		       install ? ADVICE_GUARD_INSTALL : ADVICE_GUARD_REMOVE) == 0;
	pthread_mutex_unlock(&markers);
	return done;
}

/* To fresh memory without pages. */
bool do_uffd_move(struct place *place)
{
	struct move move = { .src = (uintptr_t)place->addr, .len = place->bytes };
	struct place target = *place;
	uint32_t to;

	if (!elsewhere(place, &to))
		return false;
	target.addr = place_of(place->arena, to);
	move.dst = (uintptr_t)target.addr;
	/*
	 * What was there before is what shows whether the move itself fires.  Not
	 * with huge pages: to move a part of one that is pinned, 6.12 tries to split
	 * it again and again, and never returns.
	 */
	if ((place->arena->huge || random_below(place->random, 2)) &&
	    !(do_map(place) && touch(place, true)))
		return false;
	return uffd_fresh(&target, UFFDIO_REGISTER_MODE_MISSING) &&
	       (ioctl(place->arena->faults, IOCTL_MOVE, &move) == 0 || move.moved > 0);
}

int faults_open(void)
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
