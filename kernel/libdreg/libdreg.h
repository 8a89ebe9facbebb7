/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * libdreg: the dreg monitor for C programs.  See libdreg(3).
 *
 * Functions return 0 (or what they say) or a negative errno; they never set
 * errno themselves and print nothing.  All may be called from any thread.
 *
 * In a forked child what is read says that everything has changed, calls return
 * -EOWNERDEAD, and dreg_close() touches nothing that is not the context's.
 */
#ifndef LIBDREG_H
#define LIBDREG_H

#include <stddef.h>
#include <stdint.h>

#include "dreg.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One context.  The members may be read; the library alone writes them. */
struct dreg {
	int fd;                            /* for poll, read and one's own ioctls */
	uint32_t slots;
	size_t shared_bytes;
	const struct dreg_shared *shared;
	const uint8_t *flag;               /* [slots] */
	const uint32_t *ring;              /* [slots] */
};

/*
 * dreg_open - open a context with a number of slots and map its shared area
 * @d:     filled in
 * @slots: a power of two, at most DREG_SLOTS_MAX
 *
 * Return: 0; -ENOENT where there is no module; -EPROTONOSUPPORT where the module
 * speaks another DREG_ABI; else the negative errno of open, SETUP or mmap.
 */
int dreg_open(struct dreg *d, uint32_t slots);

/*
 * dreg_monitor - watch the pages that [addr, addr + len) touches
 * @addr: any address; rounded down to its page, and the end up
 *
 * Return: 0 or a negative errno of DREG_IOC_MONITOR.
 */
int dreg_monitor(struct dreg *d, uint32_t slot, const void *addr, size_t len);

/*
 * dreg_unmonitor - give the slot back
 *
 * Return: 1 if it had fired, 0 if not, or a negative errno of
 * DREG_IOC_UNMONITOR.
 */
int dreg_unmonitor(struct dreg *d, uint32_t slot);

/*
 * dreg_monitor_batch, dreg_unmonitor_batch - many ranges in one system call
 * @ranges: as DREG_IOC_MONITOR and DREG_IOC_UNMONITOR want them; not rounded
 * @done:   how many were dealt with, also on failure; may be NULL
 */
int dreg_monitor_batch(struct dreg *d, struct dreg_range *ranges, uint32_t count,
		       uint32_t *done);
int dreg_unmonitor_batch(struct dreg *d, struct dreg_range *ranges, uint32_t count,
			 uint32_t *done);

/*
 * dreg_close - unmap the shared area and close the descriptor
 *
 * Every slot is given back.  No other thread may use @d then.
 */
void dreg_close(struct dreg *d);

/*
 * dreg_changed - the check before an operation: one load
 * @seen: the user_delta up to which the ring has been looked at
 *
 * Return: true if any slot has fired since.
 */
static inline int dreg_changed(const struct dreg *d, uint64_t seen)
{
	return __atomic_load_n(&d->shared->user_delta, __ATOMIC_ACQUIRE) != seen;
}

/*
 * dreg_user_delta - the counter itself; the first value of one's own "seen"
 */
static inline uint64_t dreg_user_delta(const struct dreg *d)
{
	return __atomic_load_n(&d->shared->user_delta, __ATOMIC_ACQUIRE);
}

/*
 * dreg_fired - has this slot fired since it was monitored?  One load.
 */
static inline int dreg_fired(const struct dreg *d, uint32_t slot)
{
	return __atomic_load_n(&d->flag[slot], __ATOMIC_ACQUIRE) != 0;
}

/*
 * dreg_next - take the next slot that has fired, without a system call
 * @seen: in and out: moved on by one when a slot is given
 * @slot: out
 *
 * Return: 1 with a slot in @slot; 0 if there is none; -EOVERFLOW if a slot was
 * monitored again before its entry was taken, so often that the ring went round:
 * then @seen is moved to the present, and every slot's dreg_fired() must be
 * asked instead; -EOWNERDEAD in a forked child.
 */
int dreg_next(const struct dreg *d, uint64_t *seen, uint32_t *slot);

#ifdef __cplusplus
}
#endif

#endif /* LIBDREG_H */
