// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens when the kernel changes page tables: one notifier for the whole
 * address space, the context's own tree of ranges under it, and the firing of
 * those ranges that the change touches.  Rules M1, M2, M3, M4 and M6 of
 * docs/internals/dreg.md are kept here.
 */
#include <linux/minmax.h>
#include <linux/sched.h>

#include "dreg_internal.h"
#include "trace.h"

/* M2: flag, ring entry, user_delta; who sees a later one sees the earlier. */
void dreg_publish(struct dreg_context *context, struct dreg_watch *watch)
{
	struct dreg_area *area = context->area;

	lockdep_assert_held(&context->lock);
	watch->position = context->user_delta++;
	WRITE_ONCE(*dreg_area_flag(area, watch->slot), 1);
	WRITE_ONCE(*dreg_area_ring(area, watch->position), watch->slot);
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

/* M3: it leaves the tree, and so is never found again. */
static void dreg_fire(struct dreg_context *context, struct dreg_watch *watch,
		      const struct mmu_notifier_range *range, u32 reason)
{
	struct interval_tree_node *node = &watch->node;

	lockdep_assert_held(&context->lock);
	interval_tree_remove(node, &context->tree);
	/* From here on the node says what has changed of the range. */
	node->start = max(range->start, node->start);
	node->last = min(range->end - 1, node->last);
	watch->reason = reason;
	trace_fire(context->id, watch->slot, reason, node->start, node->last + 1);
	if (!dreg_test_delay(context, watch))
		dreg_publish(context, watch);
}

/* Fires up to a chunk of the ranges: true if there may be more. */
static bool dreg_fire_chunk(struct dreg_context *context,
			    const struct mmu_notifier_range *range, u32 reason)
{
	struct interval_tree_node *node;
	u32 fired;

	lockdep_assert_held(&context->lock);
	for (fired = 0; fired < DREG_FIRE_CHUNK; fired++) {
		node = interval_tree_iter_first(&context->tree, range->start,
						range->end - 1);
		if (!node)
			break;
		dreg_fire(context, container_of(node, struct dreg_watch, node), range,
			  reason);
	}
	this_cpu_add(dreg_stats.fired[reason], fired);
	return fired == DREG_FIRE_CHUNK;
}

/*
 * The ranges behind the first chunk.  Between the chunks the lock is free and,
 * where the event may block, others may run.  No range is inserted meanwhile
 * (dreg_watch_insert()): those that are there are all that will be.
 */
static void dreg_fire_rest(struct dreg_context *context,
			   const struct mmu_notifier_range *range, u32 reason)
{
	bool more;

	do {
		if (mmu_notifier_range_blockable(range))
			cond_resched();
		else
			cpu_relax();
		spin_lock(&context->lock);
		more = dreg_fire_chunk(context, range, reason);
		if (!more && !--context->firing)
			wake_up_all(&context->fired);
		spin_unlock(&context->lock);
	} while (more);
}

/*
 * Runs between mmu_notifier_invalidate_range_start() and the change of the page
 * tables, in the context of whoever changes them, possibly with locks of the
 * memory manager held and (OOM reaper) forbidden to block.  So: one spin lock,
 * no allocation, no access to user memory; and nothing is left for later (M1).
 */
static bool dreg_invalidate(struct mmu_interval_notifier *notifier,
			    const struct mmu_notifier_range *range, unsigned long sequence)
{
	struct dreg_context *context =
		container_of(notifier, struct dreg_context, notifier);
	u32 reason = dreg_test_reason(range->event, dreg_reason_of(range->event));
	bool more = false;

	spin_lock(&context->lock);
	mmu_interval_set_seq(notifier, sequence);
	dreg_settle_note(context);
	if (reason)
		more = dreg_fire_chunk(context, range, reason);
	context->firing += more;
	spin_unlock(&context->lock);

	if (more)
		dreg_fire_rest(context, range, reason);
	if (!reason) {
		this_cpu_inc(dreg_stats.spurious_protection);
		trace_ignore(context->id, range->start, range->end);
	}
	return true;
}

static const struct mmu_interval_notifier_ops dreg_notifier_ops = {
	.invalidate = dreg_invalidate,
};

/**
 * dreg_notifier_insert - begin to hear of changes; once in a context's life
 * @context: the caller's own address space (so mm_users is held)
 *
 * The first notifier of an address space needs mm_take_all_locks(), which gives
 * up when any signal is pending, be it one that the program ignores.
 *
 * Return: 0, -ENOMEM, or -ERESTARTNOINTR: the call is to be made again once the
 * signal has been dealt with, which user space never sees.
 */
int dreg_notifier_insert(struct dreg_context *context)
{
	int error;

	lockdep_assert_held(&context->mutex);
	might_lock(&context->mm->mmap_lock);
	if (context->hears)
		return 0;
	error = mmu_interval_notifier_insert(&context->notifier, context->mm, 0, ULONG_MAX,
					     &dreg_notifier_ops);
	if (error)
		return error == -EINTR ? -ERESTARTNOINTR : error;
	context->hears = true;
	return 0;
}

/* For release.  Waits for invalidations in flight, as the kernel demands. */
void dreg_notifier_remove(struct dreg_context *context)
{
	if (context->hears)
		mmu_interval_notifier_remove(&context->notifier);
}
