/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module's files share.
 *
 * main.c     the device, module parameters, ioctl dispatch
 * context.c  open, SETUP, release: the life of a context
 * area.c     the shared area: its memory, mmap
 * watch.c    one watched range, from MONITOR to UNMONITOR
 * invalidate.c  what happens when page tables change: firing
 * settle.c   waiting for what was in flight before MONITOR
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
#include <linux/cred.h>
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/interval_tree.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "dreg.h"
#include "testing.h" /* last: it replaces functions of the kernel's */

#if !defined(CONFIG_64BIT) || !defined(CONFIG_MMU_NOTIFIER)
#error "dreg needs a 64-bit kernel (user_delta is stored at once) with MMU notifiers"
#endif

/*
 * Unused watches that a context keeps for its next ranges.  A cache that evicts
 * one range to monitor another then allocates nothing.
 */
#define DREG_SPARES		64U

struct dreg_user;
struct dreg_watch;

/* The slots whose watches are noted in one table: a page of pointers. */
#define DREG_TABLE_SLOTS	(PAGE_SIZE / sizeof(void *))

struct dreg_table {
	struct dreg_watch *watches[DREG_TABLE_SLOTS];
};

/**
 * struct dreg_area - the slots of a context; made by SETUP
 * @user:        whose limits its pages count against
 * @slots:       how many; a power of two
 * @flag_offset: where in the shared area the flags begin
 * @ring_offset: and the ring
 * @bytes:       size of the shared area; whole pages
 * @shared:      its first page
 * @pages:       [bytes in pages], what user space maps; written by the module,
 *               never read by it.  NULL until needed; who adds one, by MONITOR
 *               or by a page fault, does it with cmpxchg().
 * @tables:      [slots / DREG_TABLE_SLOTS], the watch of each slot or NULL; a
 *               table is NULL until one of its slots is used.  Protected by
 *               dreg_context.mutex.
 */
struct dreg_area {
	struct dreg_user *user;
	u32 slots;
	u32 flag_offset;
	u32 ring_offset;
	size_t bytes;
	struct dreg_shared *shared;
	struct page **pages;
	struct dreg_table **tables;
};

/**
 * struct dreg_settle - see settle.c
 * @work:    waits in the thread's place
 * @wait:    the threads that wait for @done
 * @changer: who has begun invalidations since the last wait: NULL nobody, one
 *           task (compared, never looked into), or anyone
 * @wanted:  the last wait that was asked for
 * @done:    the last one that is over
 *
 * @changer to @done are protected by dreg_context.lock.
 */
struct dreg_settle {
	struct work_struct work;
	wait_queue_head_t wait;
	struct task_struct *changer;
	u64 wanted;
	u64 done;
};

/**
 * struct dreg_context - one open of /dev/dreg
 * @mm:     the address space that it belongs to; its structure is kept
 *          (mmgrab), its memory is not (no mmget)
 * @user:   whose limits it counts against
 * @id:     its name in traces
 * @area:   NULL until SETUP; published with release
 * @notifier: of the whole address space
 * @hears:  @notifier is inserted
 *
 * @mutex:       protects the making of @area, @hears, area->tables, @spares,
 *               @spare_count, @promised
 * @spare_count: how many of @spares there are
 * @spares:      unused watches
 * @promised:    the place in the ring, as user_delta counts, behind the last
 *               for which there is memory
 * @read_mutex:  protects the order in which events go out
 * @wait:        readers without an event
 * @fired:       who waits for @firing to be 0
 * @lock:        protects what follows and what @area shares with user space
 * @user_delta:  the truth; the shared one is its copy
 * @tree:        dreg_watch.node of what is monitored and has not fired
 * @events:      dreg_watch.pending of what has fired and is unread
 * @firing:      how many invalidations are between two chunks of firings
 * @settle:      see there
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
 *                 the callback never sleeps for another.
 *   wait.lock     by the wake-ups, inside lock.
 *
 *   read_mutex    one reader of events at a time; outside mmap_lock (it writes
 *                 to the reader's memory) and lock; never together with mutex.
 */
struct dreg_context {
	struct mm_struct *mm;
	struct dreg_user *user;
	u32 id;
	struct dreg_area *area;
	struct mmu_interval_notifier notifier;

	struct mutex mutex;	/* protects area (making it), tables, spares */
	bool hears;
	u32 spare_count;
	struct dreg_watch *spares[DREG_SPARES];
	u64 promised;

	struct mutex read_mutex; /* protects the order of events */
	wait_queue_head_t wait;
	wait_queue_head_t fired;

	spinlock_t lock;	/* protects what follows, and area->pages' content */
	u32 firing;
	u64 user_delta;
	struct rb_root_cached tree;
	struct list_head events;
	struct dreg_settle settle;
#ifdef DREG_TEST
	struct dreg_test_context test;
#endif
};

/**
 * struct dreg_watch - one monitored range
 * @node:     in dreg_context.tree until it fires; after that, the addresses that
 *            the operation changed, cut to the range
 * @pending:  in dreg_context.events while fired and unread, else empty
 * @position: user_delta at which it fired
 * @slot:     the user's number for it
 * @reason:   DREG_REASON_*, 0 until it fires; set once
 *
 * Protected by dreg_context.lock from insertion to removal.
 *
 * There may be a million of them: dreg_init() holds this to its promised size.
 */
struct dreg_watch {
	struct interval_tree_node node;
	struct list_head pending;
	u64 position;
	u32 slot;
	u32 reason;
};

/* The most kernel memory that a range may cost, its slot's share included. */
#define DREG_BYTES_PER_RANGE	256

/*
 * Pages of flags, ring and tables that a user may have: so many for each context,
 * however it uses its slots, and what max_user_ranges ranges need besides.
 */
#define DREG_PAGES_PER_CONTEXT	16
#define DREG_PAGE_BYTES_PER_RANGE	160

/* How many ranges or events go through the stack at a time. */
#define DREG_CHUNK		16U

/* How many ranges fire before others may have lock and processor. */
#define DREG_FIRE_CHUNK		64U

/* How many watches are freed at a time when a context ends. */
#define DREG_FREE_CHUNK		32U

/*
 * A context belongs to an address space, not to a process or a thread.  The
 * structure is kept by mmgrab(), so that a new one can never have the same
 * address and be taken for it.
 */
static inline bool dreg_owned(const struct dreg_context *context)
{
	return current->mm == context->mm;
}

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
struct dreg_area *dreg_area_create(struct dreg_user *user, u32 slots, u64 user_delta);
void dreg_area_destroy(struct dreg_area *area);
int dreg_area_populate(struct dreg_area *area, size_t offset);
int dreg_area_add_table(struct dreg_area *area, u32 slot);
int dreg_mmap(struct file *file, struct vm_area_struct *vma);

/* Is the page there that has this byte?  Else dreg_area_populate() makes it. */
static inline bool dreg_area_has(const struct dreg_area *area, size_t offset)
{
	return READ_ONCE(area->pages[offset >> PAGE_SHIFT]);
}

/* Where the watch of a slot is noted; NULL if none of its table ever was. */
static inline struct dreg_watch **dreg_area_place(const struct dreg_area *area, u32 slot)
{
	struct dreg_table *table = area->tables[slot / DREG_TABLE_SLOTS];

	return table ? &table->watches[slot % DREG_TABLE_SLOTS] : NULL;
}

/* A byte of the shared area whose page is there. */
static inline void *dreg_area_at(const struct dreg_area *area, size_t offset)
{
	return page_address(READ_ONCE(area->pages[offset >> PAGE_SHIFT])) +
	       offset_in_page(offset);
}

static inline u8 *dreg_area_flag(const struct dreg_area *area, u32 slot)
{
	return dreg_area_at(area, area->flag_offset + slot);
}

/* @position as user_delta counts. */
static inline size_t dreg_area_ring_offset(const struct dreg_area *area, u64 position)
{
	return area->ring_offset + (position & (area->slots - 1)) * sizeof(u32);
}

static inline u32 *dreg_area_ring(const struct dreg_area *area, u64 position)
{
	return dreg_area_at(area, dreg_area_ring_offset(area, position));
}

/* watch.c */
int dreg_watch_init(void);
void dreg_watch_exit(void);
int dreg_watch_add(struct dreg_context *context, const struct dreg_range *ranges, u32 count,
		   u32 *added, bool *quiet);
int dreg_watch_remove(struct dreg_context *context, const u32 *slots, u32 count,
		      u32 *removed, u32 *fired);
void dreg_watch_remove_all(struct dreg_context *context);

/* invalidate.c */
int dreg_notifier_insert(struct dreg_context *context);
void dreg_notifier_remove(struct dreg_context *context);

/* settle.c */
int dreg_settle_init(void);
void dreg_settle_exit(void);
void dreg_settle_open(struct dreg_settle *settle);
void dreg_settle_release(struct dreg_settle *settle);
void dreg_settle_note(struct dreg_context *context);
bool dreg_settle_is_quiet(struct dreg_context *context);
int dreg_settle(struct dreg_context *context);

/* batch.c */
long dreg_monitor(struct dreg_context *context, struct dreg_batch __user *argument);
long dreg_unmonitor(struct dreg_context *context, struct dreg_batch __user *argument);

/* events.c */
void dreg_publish(struct dreg_context *context, struct dreg_watch *watch, bool shown);
ssize_t dreg_read(struct file *file, char __user *buffer, size_t size, loff_t *offset);
__poll_t dreg_poll(struct file *file, poll_table *table);

/* user.c */
struct dreg_user *dreg_user_get(const struct cred *cred);
void dreg_user_put(struct dreg_user *user, u32 slots);
int dreg_user_charge_slots(struct dreg_user *user, u32 slots);
void dreg_user_uncharge_slots(struct dreg_user *user, u32 slots);
u32 dreg_user_charge_ranges(struct dreg_user *user, u32 ranges);
int dreg_user_charge_page(struct dreg_user *user);
void dreg_user_uncharge_pages(struct dreg_user *user, long pages);
void dreg_user_uncharge_ranges(struct dreg_user *user, long ranges);
s64 dreg_user_total_ranges(void);

/* stats.c */
struct dreg_stats {
	u64 fired[DREG_REASON_OTHER + 1];
	u64 spurious_protection;
	s64 bytes;
};

DECLARE_PER_CPU(struct dreg_stats, dreg_stats);
extern atomic_long_t dreg_contexts;
extern const struct attribute_group *dreg_groups[];

/* Kernel memory that was taken, or, below 0, given back. */
static inline void dreg_count_bytes(long bytes)
{
	this_cpu_add(dreg_stats.bytes, bytes);
}

#endif /* DREG_INTERNAL_H */
