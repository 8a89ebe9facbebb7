// SPDX-License-Identifier: GPL-2.0-only
/* The device /dev/dreg: registration and dispatch. */
#include <linux/compat.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/sched.h>

#include "dreg_internal.h"

/*
 * A context belongs to an address space, not to a process or a thread.  The
 * structure is kept by mmgrab(), so that a new one can never have the same
 * address and be taken for it.
 */
bool dreg_owned(const struct dreg_context *context)
{
	return current->mm == context->mm;
}

static long dreg_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct dreg_context *context = file->private_data;
	void __user *pointer = (void __user *)argument;

	switch (command) {
	case DREG_IOC_SETUP:
	case DREG_IOC_MONITOR:
	case DREG_IOC_UNMONITOR:
		break;
	default:
		return -ENOTTY;
	}
	if (!dreg_owned(context))
		return -EOWNERDEAD;

	switch (command) {
	case DREG_IOC_SETUP:
		return dreg_setup(context, pointer);
	case DREG_IOC_MONITOR:
		return dreg_monitor(context, pointer);
	default:
		return dreg_unmonitor(context, pointer);
	}
}

static const struct file_operations dreg_fops = {
	.owner = THIS_MODULE,
	.open = dreg_open,
	.release = dreg_release,
	.unlocked_ioctl = dreg_ioctl,
	.compat_ioctl = compat_ptr_ioctl, /* no structure has padding */
	.mmap = dreg_mmap,
	.read = dreg_read,
	.poll = dreg_poll,
};

static struct miscdevice dreg_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dreg",
	.fops = &dreg_fops,
	.mode = 0666, /* docs/operating/security.md says why */
	.groups = dreg_groups,
};

static int __init dreg_init(void)
{
	int error;

	BUILD_BUG_ON(sizeof(struct dreg_setup) != 16);
	BUILD_BUG_ON(sizeof(struct dreg_batch) != 16);
	BUILD_BUG_ON(sizeof(struct dreg_range) != 24);
	BUILD_BUG_ON(sizeof(struct dreg_shared) != 64);
	BUILD_BUG_ON(sizeof(struct dreg_event) != 24);

	error = dreg_watch_init();
	if (error)
		return error;
	error = dreg_settle_init();
	if (error)
		goto watch;
	error = misc_register(&dreg_device);
	if (error)
		goto settle;
	return 0;

settle:
	dreg_settle_exit();
watch:
	dreg_watch_exit();
	return error;
}

/* Not reached while a context is open: each holds the module (fops.owner). */
static void __exit dreg_exit(void)
{
	misc_deregister(&dreg_device);
	dreg_settle_exit();
	dreg_watch_exit();
}

module_init(dreg_init);
module_exit(dreg_exit);

MODULE_DESCRIPTION("Tells user space through mapped memory when its mappings change");
MODULE_LICENSE("GPL");
MODULE_VERSION("1");
