/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Switches that break the module on purpose, so that the self-tests can show
 * that they would notice.  In a normal build all of them are constants and
 * leave no code.
 *
 * Allocations are made to fail without a word in the code that allocates: in a
 * test build the kernel's functions are replaced by ones that ask first.
 */
#ifndef DREG_TESTING_H
#define DREG_TESTING_H

#include <linux/types.h>

struct dreg_context;
struct dreg_watch;

#ifdef DREG_TEST

#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct dreg_test_context {
	struct list_head late;	/* dreg_watch.pending, to be published late */
	struct delayed_work work;
};

void dreg_test_open(struct dreg_context *context);
void dreg_test_release(struct dreg_context *context);

/* True: this watch's flag comes late; the caller leaves it alone. */
bool dreg_test_delay(struct dreg_context *context, struct dreg_watch *watch);

/* True: user_delta is not to be shown to user space. */
bool dreg_test_hold_delta(void);

/* The value at which user_delta starts. */
u64 dreg_test_delta_start(void);

/* True: who waits cannot be killed. */
bool dreg_test_unkillable(void);

/* The reason to fire for this event, or 0; @reason is what M6 says. */
u32 dreg_test_reason(enum mmu_notifier_event event, u32 reason);

void *dreg_test_kzalloc(size_t bytes, gfp_t flags);
void *dreg_test_kvcalloc(size_t count, size_t bytes, gfp_t flags);
void *dreg_test_cache_alloc(struct kmem_cache *cache, gfp_t flags);
struct page *dreg_test_alloc_page(gfp_t flags);
int dreg_test_notifier_insert(struct mmu_interval_notifier *notifier, struct mm_struct *mm,
			      unsigned long start, unsigned long length,
			      const struct mmu_interval_notifier_ops *ops);

#ifndef DREG_TESTING_ITSELF
#undef kzalloc
#undef kvcalloc
#undef kmem_cache_alloc
#undef alloc_page
#define kzalloc				dreg_test_kzalloc
#define kvcalloc			dreg_test_kvcalloc
#define kmem_cache_alloc		dreg_test_cache_alloc
#define alloc_page			dreg_test_alloc_page
#define mmu_interval_notifier_insert	dreg_test_notifier_insert

#undef wait_event_killable
#define wait_event_killable(queue, condition)					\
({										\
	int __error = 0;							\
										\
	if (!(condition)) {							\
		if (dreg_test_unkillable())					\
			__wait_event(queue, condition);				\
		else								\
			__error = __wait_event_killable(queue, condition);	\
	}									\
	__error;								\
})
#endif

#else

#define dreg_test_open(context)			do { } while (0)
#define dreg_test_release(context)		do { } while (0)
#define dreg_test_delay(context, watch)		false
#define dreg_test_hold_delta()			false
#define dreg_test_delta_start()			0
#define dreg_test_reason(event, reason)		(reason)

#endif /* DREG_TEST */

#endif /* DREG_TESTING_H */
