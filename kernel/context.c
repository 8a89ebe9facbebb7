// SPDX-License-Identifier: GPL-2.0-only
/* The life of a context: open, SETUP, release. */
#include <linux/log2.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include "dreg_internal.h"

static atomic_t dreg_last_id;

int dreg_open(struct inode *inode, struct file *file)
{
	struct dreg_context *context;
	struct dreg_user *user;

	if (!current->mm)
		return -EINVAL;
	user = dreg_user_get(file->f_cred);
	if (IS_ERR(user))
		return PTR_ERR(user);
	context = kzalloc(sizeof(*context), GFP_KERNEL_ACCOUNT);
	if (!context) {
		dreg_user_put(user, 0);
		return -ENOMEM;
	}

	mutex_init(&context->mutex);
	mutex_init(&context->read_mutex);
	init_waitqueue_head(&context->wait);
	init_waitqueue_head(&context->fired);
	spin_lock_init(&context->lock);
	INIT_LIST_HEAD(&context->events);
	context->tree = RB_ROOT_CACHED;
	dreg_settle_open(&context->settle);
	context->id = atomic_inc_return(&dreg_last_id);
	context->user = user;
	context->mm = current->mm;
	mmgrab(context->mm);
	dreg_test_open(context);

	atomic_long_inc(&dreg_contexts);
	dreg_count_bytes(sizeof(*context));
	file->private_data = context;
	return nonseekable_open(inode, file);
}

/*
 * The last reference to the file is gone, and with it all mappings of the area
 * (each holds the file): nobody else can see the context.  The owner may be
 * dead for long, and this another process.
 */
int dreg_release(struct inode *inode, struct file *file)
{
	struct dreg_context *context = file->private_data;
	struct dreg_area *area = context->area;
	u32 slots = area ? area->slots : 0;

	dreg_settle_release(&context->settle);
	dreg_notifier_remove(context);
	dreg_test_release(context);
	if (area) {
		dreg_watch_remove_all(context);
		dreg_area_destroy(area);
	}
	dreg_user_put(context->user, slots);
	mmdrop(context->mm);
	dreg_count_bytes(-(long)sizeof(*context));
	atomic_long_dec(&dreg_contexts);
	kfree(context);
	return 0;
}

/* The part of SETUP that is done once; the answer goes out before it holds. */
static int dreg_setup_locked(struct dreg_context *context, struct dreg_setup *setup,
			     struct dreg_setup __user *argument)
{
	struct dreg_area *area;
	int error;

	lockdep_assert_held(&context->mutex);
	if (context->area)
		return -EALREADY;
	error = dreg_user_charge_slots(context->user, setup->slots);
	if (error)
		return error;
	context->user_delta = dreg_test_delta_start();
	context->promised = context->user_delta;
	area = dreg_area_create(context->user, setup->slots, context->user_delta);
	if (!area) {
		error = -ENOMEM;
		goto uncharge;
	}
	error = dreg_notifier_insert(context);
	if (error)
		goto destroy;
	setup->shared_bytes = area->bytes;
	if (copy_to_user(argument, setup, sizeof(*setup))) {
		error = -EFAULT;
		goto destroy;
	}
	smp_store_release(&context->area, area); /* see dreg_area_of() */
	return 0;

destroy:
	dreg_area_destroy(area);
uncharge:
	dreg_user_uncharge_slots(context->user, setup->slots);
	return error;
}

long dreg_setup(struct dreg_context *context, struct dreg_setup __user *argument)
{
	struct dreg_setup setup;
	int error;

	if (copy_from_user(&setup, argument, sizeof(setup)))
		return -EFAULT;
	if (setup.abi != DREG_ABI) {
		if (put_user(DREG_ABI, &argument->abi))
			return -EFAULT;
		return -EPROTONOSUPPORT;
	}
	if (setup.slots > DREG_SLOTS_MAX || !is_power_of_2(setup.slots))
		return -EINVAL;

	if (mutex_lock_killable(&context->mutex))
		return -EINTR;
	error = dreg_setup_locked(context, &setup, argument);
	mutex_unlock(&context->mutex);
	return error;
}
