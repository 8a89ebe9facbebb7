// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for the invalidations that began before a range was monitored: they
 * do not fire it, and the pages that they are about to take away could still be
 * registered (M1).
 *
 * mmu_interval_read_begin() is what waits, but not so that the thread can be
 * killed; so a work item calls it, and the thread waits for the work item.  Most
 * of the time there is nothing to wait for, which needs no look at the address
 * space: each invalidation notes who makes it (dreg_settle_note()), and
 *   - none has been noted since the last time: none is in flight;
 *   - the caller itself has made them all: they are over, since it is here.
 */
#include <linux/err.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "dreg_internal.h"

/* In place of a task: several, or not known which. */
#define DREG_ANYONE	((struct task_struct *)ERR_PTR(-ESRCH))

static struct workqueue_struct *dreg_settle_queue;

static void dreg_settle_work(struct work_struct *work)
{
	struct dreg_context *context = container_of(work, struct dreg_context, settle.work);
	struct dreg_settle *settle = &context->settle;
	unsigned long sequence;
	u64 ticket;

	spin_lock(&context->lock);
	ticket = settle->wanted;
	spin_unlock(&context->lock);

	sequence = mmu_interval_read_begin(&context->notifier);

	spin_lock(&context->lock);
	settle->done = ticket;
	if (!mmu_interval_read_retry(&context->notifier, sequence))
		settle->changer = NULL;
	spin_unlock(&context->lock);
	wake_up_all(&settle->wait);
}

int dreg_settle_init(void)
{
	dreg_settle_queue = alloc_workqueue("dreg", WQ_UNBOUND, 0);
	return dreg_settle_queue ? 0 : -ENOMEM;
}

void dreg_settle_exit(void)
{
	destroy_workqueue(dreg_settle_queue);
}

void dreg_settle_open(struct dreg_settle *settle)
{
	INIT_WORK(&settle->work, dreg_settle_work);
	init_waitqueue_head(&settle->wait);
	/* Of what is in flight when the notifier is inserted, nobody takes note. */
	settle->changer = DREG_ANYONE;
}

void dreg_settle_release(struct dreg_settle *settle)
{
	cancel_work_sync(&settle->work);
}

/* From the invalidate callback. */
void dreg_settle_note(struct dreg_context *context)
{
	struct dreg_settle *settle = &context->settle;

	lockdep_assert_held(&context->lock);
	if (settle->changer != current)
		settle->changer = settle->changer ? DREG_ANYONE : current;
}

static bool dreg_settle_reached(struct dreg_context *context, u64 ticket)
{
	return (s64)(READ_ONCE(context->settle.done) - ticket) >= 0;
}

/*
 * Asked in the critical section that inserts ranges: true if nothing can be in
 * flight that began before it.
 */
bool dreg_settle_is_quiet(struct dreg_context *context)
{
	struct dreg_settle *settle = &context->settle;

	lockdep_assert_held(&context->lock);
	if (settle->changer == current)
		settle->changer = NULL;
	return !settle->changer;
}

/**
 * dreg_settle - wait until what had begun before is over
 * @context: its ranges have been inserted, so that what begins now fires them
 *
 * Return: 0, or -EINTR when the thread is being killed.
 */
int dreg_settle(struct dreg_context *context)
{
	struct dreg_settle *settle = &context->settle;
	u64 ticket;

	spin_lock(&context->lock);
	ticket = ++settle->wanted;
	spin_unlock(&context->lock);

	queue_work(dreg_settle_queue, &settle->work);
	if (wait_event_killable(settle->wait, dreg_settle_reached(context, ticket)))
		return -EINTR;
	return 0;
}
