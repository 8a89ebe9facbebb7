// SPDX-License-Identifier: GPL-2.0-only
/*
 * One monitored range.  The rules M1 to M6 of docs/internals/dreg.md are kept here.
 *
 * Life of a watch: MONITOR inserts its notifier into the address space's
 * interval tree; the first invalidation that changes a translation fires it;
 * UNMONITOR (or release) removes it.  Only the removal ends it: a fired watch
 * keeps its slot, and further invalidations find it fired.
 */
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>

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

/* M2: flag, ring entry, user_delta; who sees a later one sees the earlier. */
void dreg_watch_publish(struct dreg_watch *watch)
{
	struct dreg_context *context = watch->context;
	struct dreg_area *area = context->area;

	lockdep_assert_held(&context->lock);
	watch->position = context->user_delta++;
	WRITE_ONCE(area->flag[watch->slot], 1);
	WRITE_ONCE(area->ring[watch->position & (area->slots - 1)], watch->slot);
	if (!dreg_test_hold_delta())
		smp_store_release(&area->shared->user_delta, context->user_delta);

	list_add_tail(&watch->pending, &context->events);
	if (wq_has_sleeper(&context->wait))
		wake_up_interruptible_poll(&context->wait, EPOLLIN | EPOLLRDNORM);
}

/* M6: which events change a translation; 0 for those that change none. */
static u32 dreg_reason_of(enum mmu_notifier_event event)
{
	switch (event) {
	case MMU_NOTIFY_UNMAP:
		return DREG_REASON_UNMAP;
	case MMU_NOTIFY_CLEAR:
		return DREG_REASON_CLEAR;
	case MMU_NOTIFY_MIGRATE:
		return DREG_REASON_MIGRATE;
	case MMU_NOTIFY_EXCLUSIVE:
		return DREG_REASON_EXCLUSIVE;
	case MMU_NOTIFY_RELEASE:
		return DREG_REASON_RELEASE;
	case MMU_NOTIFY_PROTECTION_VMA:
	case MMU_NOTIFY_PROTECTION_PAGE:
	case MMU_NOTIFY_SOFT_DIRTY:
		return 0;
	default:
		/* A newer kernel's: a needless miss is better than stale memory. */
		return DREG_REASON_OTHER;
	}
}

/* M3: at most once in the life of a watch. */
static int dreg_watch_fire(struct dreg_watch *watch, u32 reason,
			   const struct mmu_notifier_range *range)
{
	struct interval_tree_node *node = &watch->notifier.interval_tree;

	lockdep_assert_held(&watch->context->lock);
	if (watch->reason)
		return DREG_OUTCOME_REPEATED;
	watch->reason = reason;
	watch->start = max(range->start, node->start);
	watch->end = min(range->end, node->last + 1);
	if (!dreg_test_delay(watch))
		dreg_watch_publish(watch);
	return DREG_OUTCOME_FIRED;
}

/*
 * Runs between mmu_notifier_invalidate_range_start() and the change of the page
 * tables, in the context of whoever changes them, possibly with locks of the
 * memory manager held and (OOM reaper) forbidden to block.  So: one spin lock,
 * no allocation, no access to user memory; and nothing is left for later (M1).
 */
static bool dreg_watch_invalidate(struct mmu_interval_notifier *notifier,
				  const struct mmu_notifier_range *range,
				  unsigned long sequence)
{
	struct dreg_watch *watch = container_of(notifier, struct dreg_watch, notifier);
	struct dreg_context *context = watch->context;
	u32 reason = dreg_test_reason(range->event, dreg_reason_of(range->event));
	int outcome;

	if (!reason) {
		/*
		 * Not even the sequence number is touched: nobody has to wait
		 * for the end of this invalidation.
		 */
		this_cpu_inc(dreg_stats.spurious_protection);
		trace_invalidate(context->id, watch->slot, reason, range->start,
				 range->end, DREG_OUTCOME_PROTECTION);
		return true;
	}

	spin_lock(&context->lock);
	mmu_interval_set_seq(notifier, sequence);
	outcome = dreg_watch_fire(watch, reason, range);
	spin_unlock(&context->lock);

	if (outcome == DREG_OUTCOME_FIRED)
		this_cpu_inc(dreg_stats.fired[reason]);
	else
		this_cpu_inc(dreg_stats.spurious_repeated);
	trace_invalidate(context->id, watch->slot, reason, range->start, range->end,
			 outcome);
	return true;
}

static const struct mmu_interval_notifier_ops dreg_watch_ops = {
	.invalidate = dreg_watch_invalidate,
};

static struct dreg_watch *dreg_watch_alloc(struct dreg_context *context)
{
	struct dreg_watch *watch;

	lockdep_assert_held(&context->mutex);
	if (dreg_test_fail())
		return NULL;
	watch = list_first_entry_or_null(&context->spares, struct dreg_watch, pending);
	if (watch) {
		list_del(&watch->pending);
		context->spare_count--;
		return watch;
	}
	watch = kmem_cache_alloc(dreg_watch_cache, GFP_KERNEL);
	if (watch)
		atomic_long_add(sizeof(*watch), &dreg_bytes);
	return watch;
}

static void dreg_watch_free(struct dreg_watch *watch)
{
	atomic_long_sub(sizeof(*watch), &dreg_bytes);
	kmem_cache_free(dreg_watch_cache, watch);
}

static void dreg_watch_spare(struct dreg_watch *watch)
{
	struct dreg_context *context = watch->context;

	lockdep_assert_held(&context->mutex);
	if (context->spare_count == DREG_SPARES) {
		dreg_watch_free(watch);
		return;
	}
	list_add(&watch->pending, &context->spares);
	context->spare_count++;
}

/* The checks of one range that need no lock; @length gets whole pages. */
static int dreg_range_check(const struct dreg_context *context,
			    const struct dreg_range *range, unsigned long *length)
{
	u64 end;

	if (range->flags || !range->len || !PAGE_ALIGNED(range->addr))
		return -EINVAL;
	if (check_add_overflow(range->addr, range->len, &end) || end > PAGE_MASK)
		return -EOVERFLOW;
	end = PAGE_ALIGN(end);
	if (end > context->mm->task_size)
		return -EFAULT;
	*length = end - range->addr;
	return 0;
}

static int dreg_watch_insert(struct dreg_watch *watch, const struct dreg_range *range,
			     unsigned long length)
{
	struct dreg_context *context = watch->context;
	struct dreg_area *area = context->area;
	u8 flag = area->flag[watch->slot];
	int error;

	lockdep_assert_held(&context->mutex);
	/*
	 * Before the insertion, after which the callback may set it at once.
	 * Nobody else writes it now: the slot has no watch (M5).
	 */
	WRITE_ONCE(area->flag[watch->slot], 0);
	error = dreg_test_fail() ? -ENOMEM :
		mmu_interval_notifier_insert(&watch->notifier, context->mm,
					     range->addr, length, &dreg_watch_ops);
	if (error)
		WRITE_ONCE(area->flag[watch->slot], flag);
	return error;
}

/**
 * dreg_watch_add - begin to watch a range
 * @context: the caller's own address space (so mm_users is held)
 * @range:   from user space, unchecked
 *
 * dreg_watch_settle() must follow before the caller's system call returns.
 */
int dreg_watch_add(struct dreg_context *context, const struct dreg_range *range)
{
	struct dreg_area *area = context->area;
	struct dreg_watch *watch;
	unsigned long length;
	int error;

	lockdep_assert_held(&context->mutex);
	might_lock(&context->mm->mmap_lock);
	error = dreg_range_check(context, range, &length);
	if (error)
		return error;
	if (range->slot >= area->slots)
		return -ERANGE;
	if (area->watches[range->slot])
		return -EBUSY;
	error = dreg_user_charge_range(context->user);
	if (error)
		return error;

	error = -ENOMEM;
	watch = dreg_watch_alloc(context);
	if (!watch)
		goto uncharge;
	watch->context = context;
	INIT_LIST_HEAD(&watch->pending);
	watch->slot = range->slot;
	watch->reason = 0;
	error = dreg_watch_insert(watch, range, length);
	if (error)
		goto spare;

	area->watches[watch->slot] = watch;
	trace_monitor(context->id, watch->slot, range->addr, range->addr + length);
	return 0;

spare:
	dreg_watch_spare(watch);
uncharge:
	dreg_user_uncharge_ranges(context->user, 1);
	return error;
}

/**
 * dreg_watch_settle - wait for invalidations that began before the insertion
 * @context: of the caller
 * @slot:    just given to dreg_watch_add()
 *
 * They did not call us, and the pages that they are about to take away could
 * still be registered.  An invalidation that begins later calls us (M1).
 */
void dreg_watch_settle(struct dreg_context *context, u32 slot)
{
	lockdep_assert_held(&context->mutex);
	mmu_interval_read_begin(&context->area->watches[slot]->notifier);
}

/* After this no callback runs or will run: the watch is the caller's (M5). */
static bool dreg_watch_end(struct dreg_watch *watch)
{
	struct dreg_context *context = watch->context;

	mmu_interval_notifier_remove(&watch->notifier);
	if (!watch->reason)
		return false;
	spin_lock(&context->lock);
	list_del_init(&watch->pending);
	spin_unlock(&context->lock);
	return true;
}

/**
 * dreg_watch_remove - stop watching a slot
 * @context: any; its owner may be dead
 * @slot:    from user space, unchecked
 * @fired:   out: whether it had fired; final, and told this once
 */
int dreg_watch_remove(struct dreg_context *context, u32 slot, bool *fired)
{
	struct dreg_area *area = context->area;
	struct dreg_watch *watch;

	lockdep_assert_held(&context->mutex);
	if (slot >= area->slots)
		return -ERANGE;
	watch = area->watches[slot];
	if (!watch)
		return -ENOENT;

	*fired = dreg_watch_end(watch);
	area->watches[slot] = NULL;
	dreg_watch_spare(watch);
	dreg_user_uncharge_ranges(context->user, 1);
	trace_unmonitor(context->id, slot, *fired);
	return 0;
}

/* For release: nobody else has the context. */
void dreg_watch_remove_all(struct dreg_context *context)
{
	struct dreg_area *area = context->area;
	struct dreg_watch *spare, *next;
	long removed = 0;
	u32 slot;

	for (slot = 0; slot < area->slots; slot++) {
		struct dreg_watch *watch = area->watches[slot];

		if (!watch)
			continue;
		dreg_watch_end(watch);
		area->watches[slot] = NULL;
		dreg_watch_free(watch);
		removed++;
		cond_resched();
	}
	list_for_each_entry_safe(spare, next, &context->spares, pending)
		dreg_watch_free(spare);
	dreg_user_uncharge_ranges(context->user, removed);
}
