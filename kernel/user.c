// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one user may have.  A watch costs memory that cannot be swapped, and
 * time in the operation that fires it, which may be another process's
 * (truncation of a shared file); so each user has a bound.
 *
 * Slots are cheap until they are used: max_user_slots bounds the numbers that may
 * be asked for.  What they take when they are used, however sparsely, is bounded
 * with the ranges.
 */
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/percpu_counter.h>
#include <linux/user_namespace.h>

#include "dreg_internal.h"

static unsigned int max_slots = DREG_SLOTS_MAX;
module_param(max_slots, uint, 0644);
MODULE_PARM_DESC(max_slots, "most slots of one context");

static unsigned int max_user_contexts = 1024;
module_param(max_user_contexts, uint, 0644);
MODULE_PARM_DESC(max_user_contexts, "most contexts of one user");

static unsigned long max_user_slots = 1UL << 30;
module_param(max_user_slots, ulong, 0644);
MODULE_PARM_DESC(max_user_slots, "most slots of one user's contexts together");

static unsigned long max_user_ranges = 2UL << 20;
module_param(max_user_ranges, ulong, 0644);
MODULE_PARM_DESC(max_user_ranges, "most monitored ranges of one user's contexts together");

/**
 * struct dreg_user - one user with open contexts
 * @entry:    in dreg_users
 * @uid:      who
 * @contexts: how many; the user is forgotten with the last
 * @slots:    of all its contexts
 * @ranges:   monitored now; MONITOR and UNMONITOR count on their own processor,
 *            so that the processes of a user do not meet in one cache line
 * @pages:    of flags, ring and tables of all its contexts
 *
 * @entry to @slots are protected by dreg_users_mutex.
 */
struct dreg_user {
	struct list_head entry;
	kuid_t uid;
	unsigned int contexts;
	unsigned long slots;
	struct percpu_counter ranges;
	atomic_long_t pages;
};

static LIST_HEAD(dreg_users);

/* Protects dreg_users; nests inside dreg_context.mutex. */
static DEFINE_MUTEX(dreg_users_mutex);

static struct dreg_user *dreg_user_find(kuid_t uid)
{
	struct dreg_user *user;

	lockdep_assert_held(&dreg_users_mutex);
	list_for_each_entry(user, &dreg_users, entry)
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

static struct dreg_user *dreg_user_create(kuid_t uid)
{
	struct dreg_user *user;

	lockdep_assert_held(&dreg_users_mutex);
	user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	if (!user)
		return NULL;
	if (percpu_counter_init(&user->ranges, 0, GFP_KERNEL_ACCOUNT)) {
		kfree(user);
		return NULL;
	}
	user->uid = uid;
	list_add(&user->entry, &dreg_users);
	return user;
}

static void dreg_user_release(struct dreg_user *user)
{
	lockdep_assert_held(&dreg_users_mutex);
	if (user->contexts)
		return;
	WARN_ON_ONCE(user->slots || percpu_counter_sum(&user->ranges) ||
		     atomic_long_read(&user->pages));
	list_del(&user->entry);
	percpu_counter_destroy(&user->ranges);
	kfree(user);
}

/*
 * Who makes a user namespace may become any of the uids that are mapped into it:
 * all of them count as that one, or each would have limits of its own.
 */
static kuid_t dreg_user_of(const struct cred *cred)
{
	const struct user_namespace *namespace = cred->user_ns;
	kuid_t uid = cred->euid;

	for (; namespace != &init_user_ns; namespace = namespace->parent)
		uid = namespace->owner;
	return uid;
}

/**
 * dreg_user_get - count one more context of a user
 * @cred: of who opens it
 *
 * Return: the user, for dreg_user_put(); or an ERR_PTR.
 */
struct dreg_user *dreg_user_get(const struct cred *cred)
{
	kuid_t uid = dreg_user_of(cred);
	struct dreg_user *user;

	mutex_lock(&dreg_users_mutex);
	user = dreg_user_find(uid);
	if (!user)
		user = dreg_user_create(uid);
	if (!user) {
		user = ERR_PTR(-ENOMEM);
	} else if (user->contexts >= READ_ONCE(max_user_contexts)) {
		dreg_user_release(user);
		user = ERR_PTR(-EDQUOT);
	} else {
		user->contexts++;
	}
	mutex_unlock(&dreg_users_mutex);
	return user;
}

/* One context less, and its slots with it. */
void dreg_user_put(struct dreg_user *user, u32 slots)
{
	mutex_lock(&dreg_users_mutex);
	user->slots -= slots;
	user->contexts--;
	dreg_user_release(user);
	mutex_unlock(&dreg_users_mutex);
}

int dreg_user_charge_slots(struct dreg_user *user, u32 slots)
{
	unsigned long limit = READ_ONCE(max_user_slots);
	int error = 0;

	if (slots > READ_ONCE(max_slots))
		return -EDQUOT;
	mutex_lock(&dreg_users_mutex);
	if (slots > limit || user->slots > limit - slots)
		error = -EDQUOT;
	else
		user->slots += slots;
	mutex_unlock(&dreg_users_mutex);
	return error;
}

void dreg_user_uncharge_slots(struct dreg_user *user, u32 slots)
{
	mutex_lock(&dreg_users_mutex);
	user->slots -= slots;
	mutex_unlock(&dreg_users_mutex);
}

static bool dreg_user_try_charge(struct dreg_user *user, u32 ranges)
{
	s64 limit = min_t(unsigned long, READ_ONCE(max_user_ranges), LONG_MAX);

	percpu_counter_add(&user->ranges, ranges);
	if (percpu_counter_compare(&user->ranges, limit) <= 0)
		return true;
	percpu_counter_sub(&user->ranges, ranges);
	return false;
}

/*
 * As many of @ranges as the user may have: returns how many.  Exact near the
 * limit, where percpu_counter_compare() sums up.  Counted before it is compared:
 * of two that meet at the limit both may fail, but never both succeed.
 */
u32 dreg_user_charge_ranges(struct dreg_user *user, u32 ranges)
{
	u32 charged = 0;

	if (dreg_user_try_charge(user, ranges))
		return ranges;
	while (charged < ranges - 1 && dreg_user_try_charge(user, 1))
		charged++;
	return charged;
}

int dreg_user_charge_page(struct dreg_user *user)
{
	unsigned long limit = READ_ONCE(max_user_ranges) / (PAGE_SIZE / DREG_PAGE_BYTES_PER_RANGE) +
			      (unsigned long)READ_ONCE(user->contexts) * DREG_PAGES_PER_CONTEXT;

	if (atomic_long_inc_return(&user->pages) <= limit)
		return 0;
	atomic_long_dec(&user->pages);
	return -EDQUOT;
}

void dreg_user_uncharge_pages(struct dreg_user *user, long pages)
{
	atomic_long_sub(pages, &user->pages);
}

void dreg_user_uncharge_ranges(struct dreg_user *user, long ranges)
{
	percpu_counter_sub(&user->ranges, ranges);
}

/* Of all users; summed up here, so that MONITOR counts in one place only. */
s64 dreg_user_total_ranges(void)
{
	struct dreg_user *user;
	s64 ranges = 0;

	mutex_lock(&dreg_users_mutex);
	list_for_each_entry(user, &dreg_users, entry)
		ranges += percpu_counter_sum(&user->ranges);
	mutex_unlock(&dreg_users_mutex);
	return ranges;
}
