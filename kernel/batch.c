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
 * first, were dealt with; an error is that of the next one.
 */
typedef int (*dreg_chunk_fn)(struct dreg_context *context,
			     struct dreg_range __user *from, u32 count, u32 *done);

/* Copies in a chunk, or as much as can be read: returns how many ranges. */
static int dreg_fetch(struct dreg_range *chunk, const struct dreg_range __user *from,
		      u32 count)
{
	if (!copy_from_user(chunk, from, count * sizeof(*chunk)))
		return count;
	/* Somewhere it cannot be read: go on singly, to find out exactly where. */
	if (copy_from_user(chunk, from, sizeof(*chunk)))
		return -EFAULT;
	return 1;
}

static int dreg_monitor_chunk(struct dreg_context *context,
			      struct dreg_range __user *from, u32 count, u32 *done)
{
	struct dreg_range chunk[DREG_CHUNK];
	int error = 0;
	int fetched;
	u32 i, added;

	*done = 0;
	fetched = dreg_fetch(chunk, from, count);
	if (fetched < 0)
		return fetched;
	if (mutex_lock_killable(&context->mutex))
		return -EINTR;
	for (added = 0; added < fetched; added++) {
		error = dreg_watch_add(context, &chunk[added]);
		if (error)
			break;
	}
	for (i = 0; i < added; i++)
		dreg_watch_settle(context, chunk[i].slot);
	mutex_unlock(&context->mutex);
	*done = added;
	return error;
}

/*
 * How many of the chunk's flags can be written.  Asked before the slots are
 * given up, so that whether one had fired does not get lost on the way out.
 */
static int dreg_clear_flags(struct dreg_range __user *from, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (put_user(0, &from[i].flags))
			break;
	return i ? i : -EFAULT;
}

static int dreg_unmonitor_chunk(struct dreg_context *context,
				struct dreg_range __user *from, u32 count, u32 *done)
{
	struct dreg_range chunk[DREG_CHUNK];
	u32 fired = 0; /* a bit for each range of the chunk */
	int error = 0;
	int usable;
	u32 i, removed;

	BUILD_BUG_ON(DREG_CHUNK > 32);
	*done = 0;
	usable = dreg_fetch(chunk, from, count);
	if (usable > 0)
		usable = dreg_clear_flags(from, usable);
	if (usable < 0)
		return usable;
	if (mutex_lock_killable(&context->mutex))
		return -EINTR;
	for (removed = 0; removed < usable; removed++) {
		bool one;

		error = dreg_watch_remove(context, chunk[removed].slot, &one);
		if (error)
			break;
		if (one)
			fired |= 1U << removed;
	}
	mutex_unlock(&context->mutex);

	for (i = 0; i < removed; i++)
		if (fired & 1U << i && put_user(DREG_FIRED, &from[i].flags))
			error = -EFAULT;
	*done = removed;
	return error;
}

static long dreg_batch(struct dreg_context *context, struct dreg_batch __user *argument,
		       dreg_chunk_fn chunk)
{
	struct dreg_area *area = dreg_area_of(context);
	struct dreg_range __user *ranges;
	struct dreg_batch batch;
	u32 done = 0;
	u32 step;
	int error = 0;

	if (copy_from_user(&batch, argument, sizeof(batch)))
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
			      min(batch.count - done, DREG_CHUNK), &step);
		done += step;
		cond_resched();
		if (!error && done < batch.count && fatal_signal_pending(current))
			error = -EINTR;
	}
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
