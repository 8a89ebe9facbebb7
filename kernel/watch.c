// SPDX-License-Identifier: GPL-2.0-only
/*
 * One monitored range.
 *
 * Life of a watch: MONITOR puts it into the context's tree; the first
 * invalidation that changes a translation of it takes it out and fires it
 * (invalidate.c); UNMONITOR, or release, ends it, fired or not.
 */
#include <linux/bitops.h>
#include <linux/bits.h>
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
	if (context->spare_count)
		return context->spares[--context->spare_count];
	watch = kmem_cache_alloc(dreg_watch_cache, GFP_KERNEL);
	if (!watch)
		return NULL;
	dreg_count_bytes(sizeof(*watch));
	INIT_LIST_HEAD(&watch->pending);
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
	context->spares[context->spare_count++] = watch;
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
	size_t flag, ring;
	int error;

	lockdep_assert_held(&context->mutex);
	flag = area->flag_offset + slot;
	ring = dreg_area_ring_offset(area, context->promised);
	if (unlikely(!dreg_area_has(area, flag) || !dreg_area_has(area, ring))) {
		error = dreg_area_populate(area, flag);
		if (!error)
			error = dreg_area_populate(area, ring);
		if (error)
			return error;
	}
	context->promised++;
	return 0;
}

/*
 * All of MONITOR but the insertion: a watch that has its slot, not its place in
 * the tree.  @charged: the user may have it.
 */
static int dreg_watch_prepare(struct dreg_context *context, const struct dreg_range *range,
			      bool charged, struct dreg_watch **prepared)
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
	place = dreg_area_place(area, slot);
	if (place && *place)
		return -EBUSY;
	if (!charged)
		return -EDQUOT;

	if (!place) {
		error = dreg_area_add_table(area, slot);
		if (error)
			return error;
		place = dreg_area_place(area, slot);
	}
	watch = dreg_watch_alloc(context);
	if (!watch)
		return -ENOMEM;
	error = dreg_watch_promise(context, slot);
	if (error) {
		dreg_watch_free(context, watch);
		return error;
	}
	watch->node.start = first;
	watch->node.last = last;
	watch->slot = slot;
	watch->reason = 0;
	*place = *prepared = watch;
	return 0;
}

/* It was never in the tree: gives back what dreg_watch_prepare() took. */
static void dreg_watch_drop(struct dreg_context *context, struct dreg_watch *watch)
{
	*dreg_area_place(context->area, watch->slot) = NULL;
	context->promised--;
	dreg_watch_free(context, watch);
}

/*
 * From here on they fire.  Not while others are being fired in chunks: who
 * inserted ranges without pause could else keep a firing from its end.  That
 * invalidation is to be waited for anyway (dreg_settle()).
 */
static int dreg_watch_insert(struct dreg_context *context, struct dreg_watch **watches,
			     u32 count, bool *quiet)
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
	*quiet = dreg_settle_is_quiet(context);
	spin_unlock(&context->lock);
	return 0;
}

/**
 * dreg_watch_add - begin to watch a chunk of ranges
 * @context: the caller's own address space
 * @ranges:  from user space, unchecked
 * @count:   at most DREG_CHUNK
 * @added:   out: how many, from the first; an error is that of the next
 * @quiet:   out, if any was added: that dreg_settle() may be left out, which
 *           else must follow before the caller's system call returns
 *
 * Return: 0, an error for user space, or -EAGAIN: none was added, since ranges
 * are being fired; the caller waits for dreg_context.firing to be 0, without the
 * mutex, so that UNMONITOR need not wait, too.
 */
int dreg_watch_add(struct dreg_context *context, const struct dreg_range *ranges, u32 count,
		   u32 *added, bool *quiet)
{
	u32 charged = dreg_user_charge_ranges(context->user, count);
	struct dreg_watch *watches[DREG_CHUNK];
	int error = 0;
	u32 i, ready;

	lockdep_assert_held(&context->mutex);
	for (ready = 0; ready < count; ready++) {
		error = dreg_watch_prepare(context, &ranges[ready], ready < charged,
					   &watches[ready]);
		if (error)
			break;
	}
	*added = ready;
	if (ready && dreg_watch_insert(context, watches, ready, quiet)) {
		for (i = 0; i < ready; i++)
			dreg_watch_drop(context, watches[i]);
		*added = 0;
		error = -EAGAIN;
	}
	if (*added < charged)
		dreg_user_uncharge_ranges(context->user, charged - *added);
	return error;
}

/**
 * dreg_watch_remove - stop watching a chunk of slots
 * @context: the caller's own address space
 * @slots:   from user space, unchecked
 * @count:   at most DREG_CHUNK
 * @removed: out: how many, from the first; an error is that of the next
 * @fired:   out: a bit for each: it had fired; final, and told this once
 *
 * The callback finds watches in the tree only, under the same lock: once that
 * is left they are the caller's, and never write their slots again (M5).
 */
int dreg_watch_remove(struct dreg_context *context, const u32 *slots, u32 count,
		      u32 *removed, u32 *fired)
{
	struct dreg_area *area = context->area;
	struct dreg_watch **place, *watch, *gone[DREG_CHUNK];
	int error = 0;
	u32 i, slot;

	BUILD_BUG_ON(DREG_CHUNK > BITS_PER_TYPE(*fired));
	lockdep_assert_held(&context->mutex);
	*fired = 0;
	spin_lock(&context->lock);
	for (i = 0; i < count; i++) {
		error = -ERANGE;
		if (slots[i] >= area->slots)
			break;
		slot = array_index_nospec(slots[i], area->slots);
		place = dreg_area_place(area, slot);
		error = -ENOENT;
		if (!place || !*place)
			break;
		error = 0;
		watch = *place;
		if (watch->reason) {
			list_del_init(&watch->pending);
			*fired |= 1U << i;
		} else {
			interval_tree_remove(&watch->node, &context->tree);
		}
		trace_unmonitor(context->id, slot, watch->reason);
		gone[i] = watch;
		*place = NULL;
	}
	spin_unlock(&context->lock);

	*removed = i;
	dreg_user_uncharge_ranges(context->user, i);
	/* What has fired has taken its place in the ring. */
	context->promised -= i - hweight32(*fired);
	while (i--)
		dreg_watch_free(context, gone[i]);
	return error;
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
	struct dreg_watch **place;
	void *batch[DREG_FREE_CHUNK];
	u32 slot, count = 0;
	long removed = 0;

	for (slot = 0; slot < area->slots; slot++) {
		place = dreg_area_place(area, slot);
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
	dreg_watch_free_bulk((void **)context->spares, context->spare_count);
	dreg_user_uncharge_ranges(context->user, removed);
}
