// SPDX-License-Identifier: GPL-2.0-only
/*
 * MONITOR and UNMONITOR: many ranges in one call.
 *
 * Ranges go through the stack in chunks.  User memory is only touched while no
 * lock is held, so that a page fault that takes for ever (userfaultfd) stops
 * nobody but its own thread.
 */
#include <linux/minmax.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "dreg_internal.h"

/*
 * A chunk is up to @count ranges at @from.  Sets *done to how many, from the
 * first, were dealt with; an error is that of the next one.  *quiet is false from
 * then on when dreg_settle() is needed.
 */
typedef int (*dreg_chunk_fn)(struct dreg_context *context,
			     struct dreg_range __user *from, u32 count, u32 *done,
			     bool *quiet);

static int dreg_fetch_batch(struct dreg_batch *batch,
			    const struct dreg_batch __user *argument)
{
	if (!user_read_access_begin(argument, sizeof(*argument)))
		return -EFAULT;
	unsafe_get_user(batch->ranges, &argument->ranges, fault);
	unsafe_get_user(batch->count, &argument->count, fault);
	user_read_access_end();
	return 0;

fault:
	user_read_access_end();
	return -EFAULT;
}

/*
 * Copies in a chunk, or those of its ranges, from the first, that can be read:
 * returns how many.  Word by word: for so little memory a copy_from_user() costs
 * more than all the words together.
 */
static int dreg_fetch(struct dreg_range *chunk, const struct dreg_range __user *from,
		      u32 count)
{
	u32 i = 0;

	/* Across the end of user addresses: go on singly, to find out where. */
	if (!access_ok(from, count * sizeof(*from)))
		count = 1;
	if (!user_read_access_begin(from, count * sizeof(*from)))
		return -EFAULT;
	for (i = 0; i < count; i++) {
		unsafe_get_user(chunk[i].addr, &from[i].addr, out);
		unsafe_get_user(chunk[i].len, &from[i].len, out);
		unsafe_get_user(chunk[i].slot, &from[i].slot, out);
		unsafe_get_user(chunk[i].flags, &from[i].flags, out);
	}
out:
	user_read_access_end();
	return i ? i : -EFAULT;
}

/*
 * The same for UNMONITOR, which needs the slots, and clears the flags: asked
 * before the slots are given up, so that whether one had fired does not get
 * lost on the way out.
 */
static int dreg_fetch_slots(u32 *slots, struct dreg_range __user *from, u32 count)
{
	u32 i = 0;

	if (!access_ok(from, count * sizeof(*from)))
		count = 1;
	if (!user_access_begin(from, count * sizeof(*from)))
		return -EFAULT;
	for (i = 0; i < count; i++) {
		unsafe_get_user(slots[i], &from[i].slot, out);
		unsafe_put_user(0, &from[i].flags, out);
	}
out:
	user_access_end();
	return i ? i : -EFAULT;
}

static int dreg_monitor_chunk(struct dreg_context *context,
			      struct dreg_range __user *from, u32 count, u32 *done,
			      bool *quiet)
{
	struct dreg_range chunk[DREG_CHUNK];
	int error;
	int fetched;

	*done = 0;
	fetched = dreg_fetch(chunk, from, count);
	if (fetched < 0)
		return fetched;
	do {
		if (wait_event_killable(context->fired, !READ_ONCE(context->firing)))
			return -EINTR;
		if (mutex_lock_killable(&context->mutex))
			return -EINTR;
		error = dreg_watch_add(context, chunk, fetched, done, quiet);
		mutex_unlock(&context->mutex);
	} while (error == -EAGAIN);
	return error;
}

static int dreg_unmonitor_chunk(struct dreg_context *context,
				struct dreg_range __user *from, u32 count, u32 *done,
				bool *quiet)
{
	u32 slots[DREG_CHUNK];
	u32 fired;
	int error;
	int usable;
	u32 i;

	*done = 0;
	usable = dreg_fetch_slots(slots, from, count);
	if (usable < 0)
		return usable;
	if (mutex_lock_killable(&context->mutex))
		return -EINTR;
	error = dreg_watch_remove(context, slots, usable, done, &fired);
	mutex_unlock(&context->mutex);

	for (i = 0; fired; i++, fired >>= 1)
		if (fired & 1 && put_user(DREG_FIRED, &from[i].flags))
			error = -EFAULT;
	return error;
}

static long dreg_batch(struct dreg_context *context, struct dreg_batch __user *argument,
		       dreg_chunk_fn chunk)
{
	struct dreg_area *area = dreg_area_of(context);
	struct dreg_range __user *ranges;
	struct dreg_batch batch;
	u32 done = 0;
	bool quiet = true;
	u32 step;
	int error = 0;

	if (dreg_fetch_batch(&batch, argument))
		return -EFAULT;
	if (!area)
		return -EBADFD;
	if (!batch.count)
		return -EINVAL;
	if (batch.count > area->slots)
		return -E2BIG;

	ranges = u64_to_user_ptr(batch.ranges);
	while (done < batch.count && !error) {
		error = chunk(context, ranges + done,
			      min(batch.count - done, DREG_CHUNK), &step, &quiet);
		done += step;
		cond_resched();
		if (!error && done < batch.count && fatal_signal_pending(current))
			error = -EINTR;
	}
	/* Killed in here, the thread never comes to say that they are monitored. */
	if (!quiet && dreg_settle(context))
		error = -EINTR;
	if (put_user(done, &argument->done))
		return -EFAULT;
	return error;
}

long dreg_monitor(struct dreg_context *context, struct dreg_batch __user *argument)
{
	return dreg_batch(context, argument, dreg_monitor_chunk);
}

long dreg_unmonitor(struct dreg_context *context, struct dreg_batch __user *argument)
{
	return dreg_batch(context, argument, dreg_unmonitor_chunk);
}
