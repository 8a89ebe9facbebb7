// SPDX-License-Identifier: GPL-2.0-only
/*
 * One monitored range.
 *
 * Life of a watch: MONITOR puts it into the context's tree; the first
 * invalidation that changes a translation of it takes it out and fires it
 * (invalidate.c); UNMONITOR, or release, ends it, fired or not.
 */
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dreg_internal.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static struct kmem_cache *dreg_watch_cache;

int dreg_watch_init(void)
{
	/* Memory cgroups keep a pointer beside each object that they account. */
	BUILD_BUG_ON(sizeof(struct dreg_watch) + sizeof(void *) +
		     sizeof(struct dreg_watch *) + sizeof(u8) + sizeof(u32) >
		     DREG_BYTES_PER_RANGE);

	dreg_watch_cache = KMEM_CACHE(dreg_watch, SLAB_ACCOUNT);
	return dreg_watch_cache ? 0 : -ENOMEM;
}

void dreg_watch_exit(void)
{
	kmem_cache_destroy(dreg_watch_cache);
}

static struct dreg_watch *dreg_watch_alloc(struct dreg_context *context)
{
	struct dreg_watch *watch;

	lockdep_assert_held(&context->mutex);
	watch = list_first_entry_or_null(&context->spares, struct dreg_watch, pending);
	if (watch) {
		list_del(&watch->pending);
		context->spare_count--;
		return watch;
	}
	watch = kmem_cache_alloc(dreg_watch_cache, GFP_KERNEL);
	if (watch)
		dreg_count_bytes(sizeof(*watch));
	return watch;
}

static void dreg_watch_free(struct dreg_context *context, struct dreg_watch *watch)
{
	lockdep_assert_held(&context->mutex);
	if (context->spare_count == DREG_SPARES) {
		dreg_count_bytes(-(long)sizeof(*watch));
		kmem_cache_free(dreg_watch_cache, watch);
		return;
	}
	list_add(&watch->pending, &context->spares);
	context->spare_count++;
}

/*
 * The checks of one range that need no lock.  @first and @last: its bytes, in
 * whole pages, without the tag that the address may carry.
 */
static int dreg_range_check(const struct dreg_context *context,
			    const struct dreg_range *range, u64 *first, u64 *last)
{
	u64 end;

	*first = untagged_addr(range->addr);
	if (range->flags || !range->len || !PAGE_ALIGNED(*first))
		return -EINVAL;
	if (check_add_overflow(*first, range->len, &end) || end > PAGE_MASK)
		return -EOVERFLOW;
	end = PAGE_ALIGN(end);
	if (end > context->mm->task_size)
		return -EFAULT;
	*last = end - 1;
	return 0;
}

/*
 * Memory for all that the firing of @slot will write: its flag, and one place
 * more in the ring.  Of the places from user_delta on, as many will be written as
 * there are watches that have not fired; firing moves both ends by one, so that
 * the last of them (@promised) only moves here and in UNMONITOR.
 */
static int dreg_watch_promise(struct dreg_context *context, u32 slot)
{
	struct dreg_area *area = context->area;
	int error;

	lockdep_assert_held(&context->mutex);
	error = dreg_area_populate(area, area->flag_offset + slot);
	if (!error)
		error = dreg_area_populate(area, dreg_area_ring_offset(area, context->promised));
	if (!error)
		context->promised++;
	return error;
}

/* All of MONITOR but the insertion: a watch that has its slot, not its place. */
static int dreg_watch_prepare(struct dreg_context *context, const struct dreg_range *range,
			      struct dreg_watch **prepared)
{
	struct dreg_area *area = context->area;
	struct dreg_watch **place, *watch;
	u64 first, last;
	u32 slot;
	int error;

	error = dreg_range_check(context, range, &first, &last);
	if (error)
		return error;
	if (range->slot >= area->slots)
		return -ERANGE;
	slot = array_index_nospec(range->slot, area->slots);
	place = dreg_area_place(area, slot, false);
	if (place && *place)
		return -EBUSY;
	error = dreg_user_charge_range(context->user);
	if (error)
		return error;

	error = -ENOMEM;
	place = dreg_area_place(area, slot, true);
	watch = place ? dreg_watch_alloc(context) : NULL;
	if (!watch)
		goto uncharge;
	error = dreg_watch_promise(context, slot);
	if (error)
		goto free;
	*watch = (struct dreg_watch) {
		.node = { .start = first, .last = last },
		.pending = LIST_HEAD_INIT(watch->pending),
		.slot = slot,
	};
	*place = *prepared = watch;
	return 0;

free:
	dreg_watch_free(context, watch);
uncharge:
	dreg_user_uncharge_ranges(context->user, 1);
	return error;
}

/* It is in no tree and no queue: gives back what dreg_watch_prepare() took. */
static void dreg_watch_drop(struct dreg_context *context, struct dreg_watch *watch)
{
	*dreg_area_place(context->area, watch->slot, false) = NULL;
	if (!watch->reason)
		context->promised--;
	dreg_watch_free(context, watch);
	dreg_user_uncharge_ranges(context->user, 1);
}

/*
 * From here on they fire.  Not while others are being fired in chunks: who
 * inserted ranges without pause could else keep a firing from its end.  That
 * invalidation is to be waited for anyway (dreg_settle()).
 */
static int dreg_watch_insert(struct dreg_context *context, struct dreg_watch **watches,
			     u32 count)
{
	struct dreg_watch *watch;
	u32 i;

	lockdep_assert_held(&context->mutex);
	spin_lock(&context->lock);
	if (context->firing) {
		spin_unlock(&context->lock);
		return -EAGAIN;
	}
	for (i = 0; i < count; i++) {
		watch = watches[i];
		/* Nobody else writes it: the slot had no watch (M5). */
		WRITE_ONCE(*dreg_area_flag(context->area, watch->slot), 0);
		interval_tree_insert(&watch->node, &context->tree);
		trace_monitor(context->id, watch->slot, watch->node.start,
			      watch->node.last + 1);
	}
	spin_unlock(&context->lock);
	return 0;
}

/**
 * dreg_watch_add - begin to watch a chunk of ranges
 * @context: the caller's own address space
 * @ranges:  from user space, unchecked
 * @count:   at most DREG_CHUNK
 * @added:   out: how many, from the first; an error is that of the next
 *
 * dreg_settle() must follow before the caller's system call returns.
 *
 * Return: 0, an error for user space, or -EAGAIN: none was added, since ranges
 * are being fired; the caller waits for dreg_context.firing to be 0, without the
 * mutex, so that UNMONITOR need not wait, too.
 */
int dreg_watch_add(struct dreg_context *context, const struct dreg_range *ranges, u32 count,
		   u32 *added)
{
	struct dreg_watch *watches[DREG_CHUNK];
	int error = 0;
	u32 ready;

	lockdep_assert_held(&context->mutex);
	*added = 0;
	for (ready = 0; ready < count && !error; ready++)
		error = dreg_watch_prepare(context, &ranges[ready], &watches[ready]);
	if (error)
		ready--;
	if (!ready)
		return error;
	if (dreg_watch_insert(context, watches, ready)) {
		while (ready--)
			dreg_watch_drop(context, watches[ready]);
		return -EAGAIN;
	}
	*added = ready;
	return error;
}

/**
 * dreg_watch_remove - stop watching a slot
 * @context: the caller's own address space
 * @slot:    from user space, unchecked
 * @fired:   out: whether it had fired; final, and told this once
 *
 * The callback finds watches in the tree only, under the same lock: once that
 * is left the watch is the caller's, and never writes its slot again (M5).
 */
int dreg_watch_remove(struct dreg_context *context, u32 slot, bool *fired)
{
	struct dreg_area *area = context->area;
	struct dreg_watch **place, *watch;

	lockdep_assert_held(&context->mutex);
	if (slot >= area->slots)
		return -ERANGE;
	slot = array_index_nospec(slot, area->slots);
	place = dreg_area_place(area, slot, false);
	watch = place ? *place : NULL;
	if (!watch)
		return -ENOENT;

	spin_lock(&context->lock);
	*fired = watch->reason;
	if (*fired)
		list_del_init(&watch->pending);
	else
		interval_tree_remove(&watch->node, &context->tree);
	spin_unlock(&context->lock);

	dreg_watch_drop(context, watch);
	trace_unmonitor(context->id, slot, *fired);
	return 0;
}

static void dreg_watch_free_bulk(void **watches, u32 count)
{
	if (!count)
		return;
	dreg_count_bytes(-(long)(count * sizeof(struct dreg_watch)));
	kmem_cache_free_bulk(dreg_watch_cache, count, watches);
}

/*
 * For release: nobody else has the context, and the notifier is gone, so tree
 * and queue are left as they are.
 */
void dreg_watch_remove_all(struct dreg_context *context)
{
	struct dreg_area *area = context->area;
	struct dreg_watch **place, *spare, *next;
	void *batch[DREG_FREE_CHUNK];
	u32 slot, count = 0;
	long removed = 0;

	for (slot = 0; slot < area->slots; slot++) {
		place = dreg_area_place(area, slot, false);
		if (!place) {
			slot |= DREG_TABLE_SLOTS - 1;
			continue;
		}
		if (!*place)
			continue;
		batch[count++] = *place;
		removed++;
		if (count == DREG_FREE_CHUNK) {
			dreg_watch_free_bulk(batch, count);
			count = 0;
			cond_resched();
		}
	}
	dreg_watch_free_bulk(batch, count);

	count = 0;
	list_for_each_entry_safe(spare, next, &context->spares, pending) {
		batch[count++] = spare;
		if (count == DREG_FREE_CHUNK) {
			dreg_watch_free_bulk(batch, count);
			count = 0;
		}
	}
	dreg_watch_free_bulk(batch, count);
	dreg_user_uncharge_ranges(context->user, removed);
}
