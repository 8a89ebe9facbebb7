// SPDX-License-Identifier: GPL-2.0-only
/* The life of a context: open, SETUP, release. */
#include <linux/cred.h>
#include <linux/log2.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dreg_internal.h"

static atomic_t dreg_last_id;

int dreg_open(struct inode *inode, struct file *file)
{
	struct dreg_context *context;
	struct dreg_user *user;

	if (!current->mm)
		return -EINVAL;
	user = dreg_user_get(file->f_cred->euid);
	if (IS_ERR(user))
		return PTR_ERR(user);
	context = dreg_test_fail() ? NULL : kzalloc(sizeof(*context), GFP_KERNEL_ACCOUNT);
	if (!context) {
		dreg_user_put(user, 0);
		return -ENOMEM;
	}

	mutex_init(&context->mutex);
	mutex_init(&context->read_mutex);
	init_waitqueue_head(&context->wait);
	spin_lock_init(&context->lock);
	INIT_LIST_HEAD(&context->events);
	INIT_LIST_HEAD(&context->spares);
	context->id = atomic_inc_return(&dreg_last_id);
	context->user = user;
	context->mm = current->mm;
	mmgrab(context->mm);
	dreg_test_open(context);

	atomic_long_inc(&dreg_contexts);
	atomic_long_add(sizeof(*context), &dreg_bytes);
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

	if (area)
		dreg_watch_remove_all(context);
	dreg_test_release(context);
	WARN_ON_ONCE(!list_empty(&context->events));
	if (area) {
		atomic_long_sub(dreg_area_kernel_bytes(area), &dreg_bytes);
		dreg_area_destroy(area);
	}
	dreg_user_put(context->user, slots);
	mmdrop(context->mm);
	atomic_long_sub(sizeof(*context), &dreg_bytes);
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
	area = dreg_area_create(setup->slots, context->user_delta);
	if (!area) {
		error = -ENOMEM;
		goto uncharge;
	}
	setup->shared_bytes = area->bytes;
	if (copy_to_user(argument, setup, sizeof(*setup))) {
		error = -EFAULT;
		goto destroy;
	}
	atomic_long_add(dreg_area_kernel_bytes(area), &dreg_bytes);
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
