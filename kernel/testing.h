/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Switches that break the module on purpose, so that the self-tests can show
 * that they would notice.  In a normal build all of them are constants and
 * leave no code.
 */
#ifndef DREG_TESTING_H
#define DREG_TESTING_H

#include <linux/types.h>

struct dreg_context;
struct dreg_watch;

#ifdef DREG_TEST

#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/workqueue.h>

struct dreg_test_context {
	struct list_head late;	/* dreg_watch.pending, to be published late */
	struct delayed_work work;
};

void dreg_test_open(struct dreg_context *context);
void dreg_test_release(struct dreg_context *context);

/* True: this watch's flag comes late; the caller leaves it alone. */
bool dreg_test_delay(struct dreg_watch *watch);

/* True: user_delta is not to be shown to user space. */
bool dreg_test_hold_delta(void);

/* The value at which user_delta starts. */
u64 dreg_test_delta_start(void);

/* True: the allocation that comes now fails. */
bool dreg_test_fail(void);

/* The reason to fire for this event, or 0; @reason is what M6 says. */
u32 dreg_test_reason(enum mmu_notifier_event event, u32 reason);

#else

#define dreg_test_open(context)			do { } while (0)
#define dreg_test_release(context)		do { } while (0)
#define dreg_test_delay(watch)			false
#define dreg_test_hold_delta()			false
#define dreg_test_delta_start()			0
#define dreg_test_fail()			false
#define dreg_test_reason(event, reason)		(reason)

#endif /* DREG_TEST */

#endif /* DREG_TESTING_H */
