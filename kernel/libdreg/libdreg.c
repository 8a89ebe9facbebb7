// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "libdreg.h"

#include "contexts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int dreg_ioctl(const struct dreg *d, unsigned long command, void *argument)
{
	return ioctl(d->fd, command, argument) ? -errno : 0;
}

static int dreg_map(struct dreg *d)
{
	const struct dreg_shared *shared;

	shared = mmap(NULL, d->shared_bytes, PROT_READ, MAP_SHARED, d->fd, 0);
	if (shared == MAP_FAILED)
		return -errno;
	if (contexts_add(shared, d->shared_bytes)) {
		munmap((void *)shared, d->shared_bytes);
		return -ENOMEM;
	}
	d->shared = shared;
	d->flag = (const uint8_t *)shared + shared->flag_offset;
	d->ring = (const uint32_t *)((const char *)shared + shared->ring_offset);
	return 0;
}

int dreg_open(struct dreg *d, uint32_t slots)
{
	struct dreg_setup setup = { .abi = DREG_ABI, .slots = slots };
	int error;

	memset(d, 0, sizeof(*d));
	d->fd = open(DREG_DEVICE, O_RDWR | O_CLOEXEC);
	if (d->fd < 0)
		return -errno;
	error = dreg_ioctl(d, DREG_IOC_SETUP, &setup);
	if (!error) {
		d->slots = slots;
		d->shared_bytes = setup.shared_bytes;
		error = dreg_map(d);
	}
	if (error) {
		close(d->fd);
		d->fd = -1;
	}
	return error;
}

/*
 * Whether this address space is the one that opened it: the module looks at
 * that before anything else, and refuses an empty batch after it.
 */
static bool is_owner(const struct dreg *d)
{
	struct dreg_batch nothing = { .count = 0 };

	return dreg_ioctl(d, DREG_IOC_UNMONITOR, &nothing) != -EOWNERDEAD;
}

void dreg_close(struct dreg *d)
{
	if (d->fd < 0 || !d->shared)
		return;
	/*
	 * In a child that contexts.c knows nothing of (a bare clone()) the place
	 * of the shared area is anybody's.
	 */
	if (contexts_remove(d->shared) || is_owner(d))
		munmap((void *)d->shared, d->shared_bytes);
	close(d->fd);
	memset(d, 0, sizeof(*d));
	d->fd = -1;
}

/*
 * EINTR comes only when the thread is being killed, or from a module whose
 * first MONITOR gives up at any signal: going on where it stopped is right for
 * both.
 */
static int dreg_batch(struct dreg *d, unsigned long command, struct dreg_range *ranges,
		      uint32_t count, uint32_t *done)
{
	struct dreg_batch batch;
	uint32_t before = 0;
	int error;

	do {
		batch = (struct dreg_batch){
			.ranges = (uintptr_t)(ranges + before),
			.count = count - before,
		};
		error = dreg_ioctl(d, command, &batch);
		before += batch.done;
	} while (error == -EINTR && before < count);
	if (error == -EINTR)
		error = 0;
	if (done)
		*done = before;
	return error;
}

int dreg_monitor_batch(struct dreg *d, struct dreg_range *ranges, uint32_t count,
		       uint32_t *done)
{
	return dreg_batch(d, DREG_IOC_MONITOR, ranges, count, done);
}

int dreg_unmonitor_batch(struct dreg *d, struct dreg_range *ranges, uint32_t count,
			 uint32_t *done)
{
	return dreg_batch(d, DREG_IOC_UNMONITOR, ranges, count, done);
}

int dreg_monitor(struct dreg *d, uint32_t slot, const void *addr, size_t len)
{
	uintptr_t inside = (uintptr_t)addr & ((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
	struct dreg_range range = {
		.addr = (uintptr_t)addr - inside,
		.len = len,
		.slot = slot,
	};

	/* Nothing, and what wraps around when rounded, is the module's to refuse. */
	if (len && __builtin_add_overflow(len, inside, &range.len))
		return -EOVERFLOW;
	return dreg_batch(d, DREG_IOC_MONITOR, &range, 1, NULL);
}

int dreg_unmonitor(struct dreg *d, uint32_t slot)
{
	struct dreg_range range = { .slot = slot };
	int error = dreg_batch(d, DREG_IOC_UNMONITOR, &range, 1, NULL);

	return error ? error : !!(range.flags & DREG_FIRED);
}

int dreg_next(const struct dreg *d, uint64_t *seen, uint32_t *slot)
{
	uint64_t now = dreg_user_delta(d);
	uint32_t entry;

	if (now == *seen)
		return 0;
	if (!d->shared->slots)
		return -EOWNERDEAD;
	entry = __atomic_load_n(&d->ring[*seen & (d->slots - 1)], __ATOMIC_ACQUIRE);
	/* Again, behind the entry: was it still there when it was read? */
	now = dreg_user_delta(d);
	if (now - *seen > d->slots) {
		*seen = now;
		return -EOVERFLOW;
	}
	*slot = entry;
	++*seen;
	return 1;
}
