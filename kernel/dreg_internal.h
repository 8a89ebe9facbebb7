/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module's files share.
 *
 * main.c     the device, module parameters, ioctl dispatch
 * context.c  open, SETUP, release: the life of a context
 * area.c     the shared area: its memory, mmap
 * watch.c    one watched range: insert, invalidate, remove; rules M1 to M6
 * batch.c    MONITOR and UNMONITOR of many ranges
 * events.c   read and poll
 * user.c     what one user may have
 * stats.c    counters in sysfs
 * testing.c  switches of the test build
 */
#ifndef DREG_INTERNAL_H
#define DREG_INTERNAL_H

#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/wait.h>

#include "dreg.h"
#include "testing.h"

#if !defined(CONFIG_64BIT) || !defined(CONFIG_MMU_NOTIFIER)
#error "dreg needs a 64-bit kernel (user_delta is stored at once) with MMU notifiers"
#endif

struct dreg_user;
struct dreg_watch;

/**
 * struct dreg_area - the slots of a context; made by SETUP, never changed after
 * @slots:   how many; a power of two
 * @bytes:   size of the memory at @shared; whole pages
 * @shared:  what user space maps; written by the module, never read by it
 * @flag:    [slots], inside @shared
 * @ring:    [slots], inside @shared
 * @watches: [slots], the watch of each slot or NULL; protected by
 *           dreg_context.mutex
 */
struct dreg_area {
	u32 slots;
	size_t bytes;
	struct dreg_shared *shared;
	u8 *flag;
	u32 *ring;
	struct dreg_watch **watches;
};

/**
 * struct dreg_context - one open of /dev/dreg
 * @mm:     the address space that it belongs to; its structure is kept
 *          (mmgrab), its memory is not (no mmget)
 * @user:   whose limits it counts against
 * @id:     its name in traces
 * @area:   NULL until SETUP; published with release
 *
 * @mutex:       protects the making of @area, area->watches, @spares, @spare_count
 * @spares:      dreg_watch.pending of unused watches
 * @spare_count: how many, at most DREG_SPARES
 * @read_mutex:  protects the order in which events go out
 * @wait:        readers without an event
 * @lock:        protects @user_delta, @events and what @area shares with user space
 * @user_delta:  the truth; the shared one is its copy
 * @events:      dreg_watch.pending of what has fired and is unread
 * @test:        of the test build
 *
 * Locks, outermost first:
 *
 *   mutex         SETUP, MONITOR, UNMONITOR one at a time.
 *   mm.mmap_lock  taken by mmu_interval_notifier_insert() the first time, and
 *                 by page faults in SETUP's copy_to_user(): inside mutex.  So
 *                 mmap and the fault handler, which run inside it, may not
 *                 take mutex.
 *   the kernel's invalidate section (start .. end)
 *   lock          innermost; the one lock of the invalidate callback, so that
 *                 the callback never sleeps.
 *   wait.lock     by the wake-up, inside lock.
 *
 *   read_mutex    one reader of events at a time; outside mmap_lock (it writes
 *                 to the reader's memory) and lock; never together with mutex.
 */
struct dreg_context {
	struct mm_struct *mm;
	struct dreg_user *user;
	u32 id;
	struct dreg_area *area;

	struct mutex mutex;	/* protects area (making it), watches, spares */
	struct list_head spares;
	u32 spare_count;

	struct mutex read_mutex; /* protects the order of events */
	wait_queue_head_t wait;

	spinlock_t lock;	/* protects what follows, and area->shared */
	u64 user_delta;
	struct list_head events;
#ifdef DREG_TEST
	struct dreg_test_context test;
#endif
};

/**
 * struct dreg_watch - one monitored range
 * @notifier: its place in the address space's interval tree
 * @context:  whose it is
 * @pending:  in dreg_context.events while fired and unread, in
 *            dreg_context.spares while unused, else empty
 * @position: user_delta at which it fired
 * @start:    first address that the operation changed, cut to the range
 * @end:      first address behind
 * @slot:     the user's number for it
 * @reason:   DREG_REASON_*, 0 until it fires; set once
 *
 * @pending to @reason are protected by dreg_context.lock while the notifier is
 * in the tree; after its removal they belong to the remover.
 *
 * There may be a million of them: dreg_init() holds this to its promised size.
 */
struct dreg_watch {
	struct mmu_interval_notifier notifier;
	struct dreg_context *context;
	struct list_head pending;
	u64 position;
	unsigned long start;
	unsigned long end;
	u32 slot;
	u32 reason;
};

/* The most kernel memory that a range may cost, its slot's share included. */
#define DREG_BYTES_PER_RANGE	256

/*
 * Unused watches that a context keeps for its next ranges.  A cache that evicts
 * one range to monitor another then allocates nothing.
 */
#define DREG_SPARES		64U

/* How many ranges or events go through the stack at a time. */
#define DREG_CHUNK		16U

/* main.c */
bool dreg_owned(const struct dreg_context *context);

/* context.c */
int dreg_open(struct inode *inode, struct file *file);
int dreg_release(struct inode *inode, struct file *file);
long dreg_setup(struct dreg_context *context, struct dreg_setup __user *argument);

/* The area, or NULL before SETUP.  Needs no lock; for all who use slots. */
static inline struct dreg_area *dreg_area_of(const struct dreg_context *context)
{
	/* Pairs with the release in dreg_setup_locked(). */
	return smp_load_acquire(&context->area);
}

/* area.c */
struct dreg_area *dreg_area_create(u32 slots, u64 user_delta);
void dreg_area_destroy(struct dreg_area *area);
size_t dreg_area_kernel_bytes(const struct dreg_area *area);
int dreg_mmap(struct file *file, struct vm_area_struct *vma);

/* watch.c */
int dreg_watch_init(void);
void dreg_watch_exit(void);
int dreg_watch_add(struct dreg_context *context, const struct dreg_range *range);
void dreg_watch_settle(struct dreg_context *context, u32 slot);
int dreg_watch_remove(struct dreg_context *context, u32 slot, bool *fired);
void dreg_watch_remove_all(struct dreg_context *context);
void dreg_watch_publish(struct dreg_watch *watch);

/* batch.c */
long dreg_monitor(struct dreg_context *context, struct dreg_batch __user *argument);
long dreg_unmonitor(struct dreg_context *context, struct dreg_batch __user *argument);

/* events.c */
ssize_t dreg_read(struct file *file, char __user *buffer, size_t size, loff_t *offset);
__poll_t dreg_poll(struct file *file, poll_table *table);

/* user.c */
struct dreg_user *dreg_user_get(kuid_t uid);
void dreg_user_put(struct dreg_user *user, u32 slots);
int dreg_user_charge_slots(struct dreg_user *user, u32 slots);
void dreg_user_uncharge_slots(struct dreg_user *user, u32 slots);
int dreg_user_charge_range(struct dreg_user *user);
void dreg_user_uncharge_ranges(struct dreg_user *user, long ranges);
long dreg_user_total_ranges(void);

/* stats.c */
struct dreg_stats {
	u64 fired[DREG_REASON_OTHER + 1];
	u64 spurious_protection;
	u64 spurious_repeated;
};

DECLARE_PER_CPU(struct dreg_stats, dreg_stats);
extern atomic_long_t dreg_contexts;
extern atomic_long_t dreg_bytes;
extern const struct attribute_group *dreg_groups[];

#endif /* DREG_INTERNAL_H */
