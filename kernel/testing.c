// SPDX-License-Identifier: GPL-2.0-only
/* The switches of testing.h: parameters of a module built with DREG_TEST. */
#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>

#define DREG_TESTING_ITSELF
#include "dreg_internal.h"

static unsigned int test_late_us;
module_param(test_late_us, uint, 0644);
MODULE_PARM_DESC(test_late_us, "break M1: publish so many microseconds late (at least a tick); 0: off");

static bool test_hold_delta;
module_param(test_hold_delta, bool, 0644);
MODULE_PARM_DESC(test_hold_delta, "set flags and ring, but keep user_delta back until the first firing after this is off");

static unsigned long test_delta_start;
module_param(test_delta_start, ulong, 0644);
MODULE_PARM_DESC(test_delta_start, "where user_delta starts in contexts set up from now on");

static unsigned int test_fire_mask;
module_param(test_fire_mask, uint, 0644);
MODULE_PARM_DESC(test_fire_mask, "break M6: bit N set: fire on the kernel's mmu_notifier_event N, and on no other; 0: off");

static bool test_unkillable;
module_param(test_unkillable, bool, 0644);
MODULE_PARM_DESC(test_unkillable, "MONITOR waits for invalidations in flight even when its thread is killed");

/* Allocations since the module was loaded, and the one that is to fail. */
static atomic_t test_allocations;
static atomic_t test_fail_alloc;

static int test_counter_get(char *buffer, const struct kernel_param *parameter)
{
	return sysfs_emit(buffer, "%d\n", atomic_read((atomic_t *)parameter->arg));
}

static int test_counter_set(const char *value, const struct kernel_param *parameter)
{
	int number;
	int error = kstrtoint(value, 0, &number);

	if (!error)
		atomic_set((atomic_t *)parameter->arg, number);
	return error;
}

static const struct kernel_param_ops test_counter_ops = {
	.get = test_counter_get,
	.set = test_counter_set,
};

module_param_cb(test_allocations, &test_counter_ops, &test_allocations, 0644);
MODULE_PARM_DESC(test_allocations, "how many allocations were asked for");
module_param_cb(test_fail_alloc, &test_counter_ops, &test_fail_alloc, 0644);
MODULE_PARM_DESC(test_fail_alloc, "N: the N-th allocation from now on fails, once; counts down to 0: off");

/* True: the allocation that comes now fails. */
static bool dreg_test_fail(void)
{
	atomic_inc(&test_allocations);
	return atomic_add_unless(&test_fail_alloc, -1, 0) &&
	       !atomic_read(&test_fail_alloc);
}

void *dreg_test_kzalloc(size_t bytes, gfp_t flags)
{
	return dreg_test_fail() ? NULL : kzalloc(bytes, flags);
}

void *dreg_test_kvcalloc(size_t count, size_t bytes, gfp_t flags)
{
	return dreg_test_fail() ? NULL : kvcalloc(count, bytes, flags);
}

void *dreg_test_cache_alloc(struct kmem_cache *cache, gfp_t flags)
{
	return dreg_test_fail() ? NULL : kmem_cache_alloc(cache, flags);
}

struct page *dreg_test_alloc_page(gfp_t flags)
{
	return dreg_test_fail() ? NULL : alloc_page(flags);
}

int dreg_test_notifier_insert(struct mmu_interval_notifier *notifier, struct mm_struct *mm,
			      unsigned long start, unsigned long length,
			      const struct mmu_interval_notifier_ops *ops)
{
	if (dreg_test_fail())
		return -ENOMEM;
	return mmu_interval_notifier_insert(notifier, mm, start, length, ops);
}

bool dreg_test_hold_delta(void)
{
	return READ_ONCE(test_hold_delta);
}

bool dreg_test_unkillable(void)
{
	return READ_ONCE(test_unkillable);
}

u64 dreg_test_delta_start(void)
{
	return READ_ONCE(test_delta_start);
}

u32 dreg_test_reason(enum mmu_notifier_event event, u32 reason)
{
	unsigned int mask = READ_ONCE(test_fire_mask);

	if (!mask)
		return reason;
	if (!(mask & 1U << event))
		return 0;
	return reason ? reason : DREG_REASON_OTHER;
}

static void dreg_test_publish_late(struct work_struct *work)
{
	struct dreg_context *context =
		container_of(to_delayed_work(work), struct dreg_context, test.work);
	struct dreg_watch *watch;

	spin_lock(&context->lock);
	while (!list_empty(&context->test.late)) {
		watch = list_first_entry(&context->test.late, struct dreg_watch, pending);
		list_del_init(&watch->pending);
		dreg_publish(context, watch, !dreg_test_hold_delta());
	}
	spin_unlock(&context->lock);
}

void dreg_test_open(struct dreg_context *context)
{
	INIT_LIST_HEAD(&context->test.late);
	INIT_DELAYED_WORK(&context->test.work, dreg_test_publish_late);
}

void dreg_test_release(struct dreg_context *context)
{
	cancel_delayed_work_sync(&context->test.work);
}

bool dreg_test_delay(struct dreg_context *context, struct dreg_watch *watch)
{
	unsigned int late_us = READ_ONCE(test_late_us);

	lockdep_assert_held(&context->lock);
	if (!late_us)
		return false;
	list_add_tail(&watch->pending, &context->test.late);
	schedule_delayed_work(&context->test.work, usecs_to_jiffies(late_us));
	return true;
}
