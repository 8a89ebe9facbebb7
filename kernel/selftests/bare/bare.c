// SPDX-License-Identifier: GPL-2.0-only
/* The yardstick of the benchmark; see bare.h. */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "bare.h"

struct bare {
	struct mmu_interval_notifier notifier;
	bool inserted;
};

static bool bare_invalidate(struct mmu_interval_notifier *notifier,
			    const struct mmu_notifier_range *range, unsigned long sequence)
{
	mmu_interval_set_seq(notifier, sequence);
	return true;
}

static const struct mmu_interval_notifier_ops bare_ops = {
	.invalidate = bare_invalidate,
};

static long bare_insert(struct bare *bare, void __user *argument)
{
	struct dreg_bare_range range;
	int error;

	if (bare->inserted)
		return -EBUSY;
	if (copy_from_user(&range, argument, sizeof(range)))
		return -EFAULT;
	error = mmu_interval_notifier_insert(&bare->notifier, current->mm, range.addr,
					     range.len, &bare_ops);
	bare->inserted = !error;
	return error;
}

static long bare_remove(struct bare *bare)
{
	if (!bare->inserted)
		return -ENOENT;
	mmu_interval_notifier_remove(&bare->notifier);
	bare->inserted = false;
	return 0;
}

static long bare_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct bare *bare = file->private_data;

	switch (command) {
	case DREG_BARE_EMPTY:
		return 0;
	case DREG_BARE_INSERT:
		return bare_insert(bare, (void __user *)argument);
	case DREG_BARE_REMOVE:
		return bare_remove(bare);
	default:
		return -ENOTTY;
	}
}

static int bare_open(struct inode *inode, struct file *file)
{
	struct bare *bare = kzalloc(sizeof(*bare), GFP_KERNEL);

	if (!bare)
		return -ENOMEM;
	file->private_data = bare;
	return nonseekable_open(inode, file);
}

static int bare_release(struct inode *inode, struct file *file)
{
	struct bare *bare = file->private_data;

	bare_remove(bare);
	kfree(bare);
	return 0;
}

static const struct file_operations bare_fops = {
	.owner = THIS_MODULE,
	.open = bare_open,
	.release = bare_release,
	.unlocked_ioctl = bare_ioctl,
};

static struct miscdevice bare_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dreg_bare",
	.fops = &bare_fops,
};

module_misc_device(bare_device);

MODULE_DESCRIPTION("What mmu_interval_notifier_insert and _remove cost by themselves");
MODULE_LICENSE("GPL");
