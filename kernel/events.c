// SPDX-License-Identifier: GPL-2.0-only
/*
 * read and poll, for a program that sleeps.
 *
 * The queue is a list through the watches themselves: it needs no memory of its
 * own and cannot overflow.  An event leaves it when it has reached the reader's
 * memory, not before, or when UNMONITOR takes its watch away.
 */
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "dreg_internal.h"

/* Copies out the oldest events; *last is the position of the last one. */
static u32 dreg_peek(struct dreg_context *context, struct dreg_event *events, u32 room,
		     u64 *last)
{
	struct dreg_watch *watch;
	u32 count = 0;

	spin_lock(&context->lock);
	list_for_each_entry(watch, &context->events, pending) {
		if (count == room)
			break;
		events[count++] = (struct dreg_event) {
			.slot = watch->slot,
			.reason = watch->reason,
			.start = watch->node.start,
			.end = watch->node.last + 1,
		};
		*last = watch->position;
	}
	spin_unlock(&context->lock);
	return count;
}

/*
 * By position and not by pointer: between the peek and this, UNMONITOR may have
 * taken any of them away, and its slot may have been monitored and fired again.
 */
static void dreg_forget(struct dreg_context *context, u64 last)
{
	struct dreg_watch *watch, *next;

	spin_lock(&context->lock);
	list_for_each_entry_safe(watch, next, &context->events, pending) {
		if ((s64)(watch->position - last) > 0)
			break;
		list_del_init(&watch->pending);
	}
	spin_unlock(&context->lock);
}

/* As many events as are there and fit; 0 if there are none. */
static ssize_t dreg_read_some(struct dreg_context *context, char __user *buffer, u32 room)
{
	struct dreg_event chunk[DREG_CHUNK];
	ssize_t bytes = 0;
	u64 last;
	u32 count;

	lockdep_assert_held(&context->read_mutex);
	while (room) {
		count = dreg_peek(context, chunk, min(room, DREG_CHUNK), &last);
		if (!count)
			break;
		if (copy_to_user(buffer + bytes, chunk, count * sizeof(*chunk)))
			return bytes ? bytes : -EFAULT;
		dreg_forget(context, last);
		bytes += count * sizeof(*chunk);
		room -= count;
		cond_resched();
	}
	return bytes;
}

static bool dreg_has_events(struct dreg_context *context)
{
	bool any;

	spin_lock(&context->lock);
	any = !list_empty(&context->events);
	spin_unlock(&context->lock);
	return any;
}

ssize_t dreg_read(struct file *file, char __user *buffer, size_t size, loff_t *offset)
{
	struct dreg_context *context = file->private_data;
	struct dreg_area *area;
	ssize_t bytes;
	u32 room;

	if (!dreg_owned(context))
		return -EOWNERDEAD;
	area = dreg_area_of(context);
	if (!area)
		return -EBADFD;
	room = min_t(size_t, size / sizeof(struct dreg_event), area->slots);
	if (!room)
		return -EINVAL;

	for (;;) {
		if (mutex_lock_interruptible(&context->read_mutex))
			return -ERESTARTSYS;
		bytes = dreg_read_some(context, buffer, room);
		mutex_unlock(&context->read_mutex);
		if (bytes)
			return bytes;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(context->wait, dreg_has_events(context)))
			return -ERESTARTSYS;
	}
}

__poll_t dreg_poll(struct file *file, poll_table *table)
{
	struct dreg_context *context = file->private_data;

	poll_wait(file, &context->wait, table);
	if (!dreg_owned(context) || !dreg_area_of(context))
		return EPOLLERR;
	return dreg_has_events(context) ? EPOLLIN | EPOLLRDNORM : 0;
}
