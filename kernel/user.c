// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one user may have.  A watch costs memory that cannot be swapped, and
 * time in the operations that touch its pages, which may be another process's
 * (truncation of a shared file); so each user has a bound.
 */
#include <linux/err.h>
#include <linux/list.h>
#include <linux/moduleparam.h>
#include <linux/refcount.h>
#include <linux/slab.h>

#include "dreg_internal.h"

static unsigned int max_slots = DREG_SLOTS_MAX;
module_param(max_slots, uint, 0644);
MODULE_PARM_DESC(max_slots, "most slots of one context");

static unsigned int max_user_contexts = 1024;
module_param(max_user_contexts, uint, 0644);
MODULE_PARM_DESC(max_user_contexts, "most contexts of one user");

static unsigned long max_user_slots = 16UL << 20;
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
 * @ranges:   monitored now; its own atomic, since MONITOR counts without a
 *            lock that all users share
 *
 * @entry to @slots are protected by dreg_users_mutex.
 */
struct dreg_user {
	struct list_head entry;
	kuid_t uid;
	unsigned int contexts;
	unsigned long slots;
	atomic_long_t ranges;
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
	user = dreg_test_fail() ? NULL : kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	if (!user)
		return NULL;
	user->uid = uid;
	list_add(&user->entry, &dreg_users);
	return user;
}

static void dreg_user_release(struct dreg_user *user)
{
	lockdep_assert_held(&dreg_users_mutex);
	if (user->contexts)
		return;
	WARN_ON_ONCE(user->slots || atomic_long_read(&user->ranges));
	list_del(&user->entry);
	kfree(user);
}

/**
 * dreg_user_get - count one more context of a user
 * @uid: who opens it
 *
 * Return: the user, for dreg_user_put(); or an ERR_PTR.
 */
struct dreg_user *dreg_user_get(kuid_t uid)
{
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

int dreg_user_charge_range(struct dreg_user *user)
{
	unsigned long limit = READ_ONCE(max_user_ranges);
	long ranges = atomic_long_read(&user->ranges);

	do {
		if (ranges >= limit)
			return -EDQUOT;
	} while (!atomic_long_try_cmpxchg(&user->ranges, &ranges, ranges + 1));
	return 0;
}

void dreg_user_uncharge_ranges(struct dreg_user *user, long ranges)
{
	atomic_long_sub(ranges, &user->ranges);
}

/* Of all users; summed up here, so that MONITOR counts in one place only. */
long dreg_user_total_ranges(void)
{
	struct dreg_user *user;
	long ranges = 0;

	mutex_lock(&dreg_users_mutex);
	list_for_each_entry(user, &dreg_users, entry)
		ranges += atomic_long_read(&user->ranges);
	mutex_unlock(&dreg_users_mutex);
	return ranges;
}
