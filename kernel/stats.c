// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters, one a file, in /sys/class/misc/dreg/counters/.
 *
 * Root's alone: they add up over all users, and nobody else needs to know when
 * another's memory changes.
 */
#include <linux/sysfs.h>

#include "dreg_internal.h"

DEFINE_PER_CPU(struct dreg_stats, dreg_stats);
atomic_long_t dreg_contexts;

/* An event counter: the sum over the processors, since the module was loaded. */
#define DREG_EVENT_COUNTER(_name, _member)					\
static ssize_t _name##_show(struct device *device,				\
			    struct device_attribute *attribute, char *buffer)	\
{										\
	u64 sum = 0;								\
	int cpu;								\
										\
	for_each_possible_cpu(cpu)						\
		sum += READ_ONCE(per_cpu(dreg_stats, cpu)._member);		\
	return sysfs_emit(buffer, "%llu\n", sum);				\
}										\
static DEVICE_ATTR_ADMIN_RO(_name)

static s64 dreg_total_bytes(void)
{
	s64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(dreg_stats, cpu).bytes);
	return sum;
}

/* A level: how much there is now. */
#define DREG_LEVEL(_name, _value)						\
static ssize_t _name##_show(struct device *device,				\
			    struct device_attribute *attribute, char *buffer)	\
{										\
	return sysfs_emit(buffer, "%lld\n", (long long)(_value));			\
}										\
static DEVICE_ATTR_ADMIN_RO(_name)

DREG_LEVEL(contexts, atomic_long_read(&dreg_contexts));
DREG_LEVEL(ranges, dreg_user_total_ranges());
DREG_LEVEL(bytes, dreg_total_bytes());
DREG_EVENT_COUNTER(fired_unmap, fired[DREG_REASON_UNMAP]);
DREG_EVENT_COUNTER(fired_clear, fired[DREG_REASON_CLEAR]);
DREG_EVENT_COUNTER(fired_migrate, fired[DREG_REASON_MIGRATE]);
DREG_EVENT_COUNTER(fired_exclusive, fired[DREG_REASON_EXCLUSIVE]);
DREG_EVENT_COUNTER(fired_release, fired[DREG_REASON_RELEASE]);
DREG_EVENT_COUNTER(fired_other, fired[DREG_REASON_OTHER]);
DREG_EVENT_COUNTER(spurious_protection, spurious_protection);

static struct attribute *dreg_counters[] = {
	&dev_attr_contexts.attr,
	&dev_attr_ranges.attr,
	&dev_attr_bytes.attr,
	&dev_attr_fired_unmap.attr,
	&dev_attr_fired_clear.attr,
	&dev_attr_fired_migrate.attr,
	&dev_attr_fired_exclusive.attr,
	&dev_attr_fired_release.attr,
	&dev_attr_fired_other.attr,
	&dev_attr_spurious_protection.attr,
	NULL
};

static const struct attribute_group dreg_counters_group = {
	.name = "counters",
	.attrs = dreg_counters,
};

const struct attribute_group *dreg_groups[] = {
	&dreg_counters_group,
	NULL
};
