// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * libfabric calls subscribe, unsubscribe and valid with one lock of its own held
 * (its mm_lock), so there is none here: valid() is two loads when nothing has
 * changed, and a look into a table when something has.
 */
#include "libdreg-ofi.h"

#include <errno.h>
#include <rdma/fabric.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_ext.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "libdreg.h"

enum { SLOTS = 1 << 16, BUCKETS = 1 << 12, NONE = UINT32_MAX };

/* What libfabric has subscribed under a slot. */
struct subscription {
	const void *addr;
	size_t len;
	uint32_t next;		/* in its bucket, or of the free ones */
	bool fired;
};

static struct dreg dreg = { .fd = -1 };
static uint64_t seen;
static struct subscription *subscriptions;
static uint32_t buckets[BUCKETS];
static uint32_t free_slots;
/* How many have fired that libfabric has not given back. */
static uint32_t fired;

static uint32_t *bucket_of(const void *addr)
{
	return &buckets[((uintptr_t)addr >> 12) * 0x9e3779b97f4a7c15ull >> 52];
}

/* Where the number of the subscription is kept, or of none. */
static uint32_t *find(const void *addr, size_t len)
{
	uint32_t *at = bucket_of(addr);

	while (*at != (uint32_t)NONE && (subscriptions[*at].addr != addr ||
					 subscriptions[*at].len != len))
		at = &subscriptions[*at].next;
	return at;
}

static void note(uint32_t slot)
{
	fired += !subscriptions[slot].fired;
	subscriptions[slot].fired = true;
}

static void take_firings(void)
{
	uint32_t slot;
	int more;

	while ((more = dreg_next(&dreg, &seen, &slot)) == 1)
		note(slot);
	/* A forked child: all is stale, and stays so. */
	if (more == -EOWNERDEAD)
		fired = SLOTS;
}

static void forget_all(void)
{
	uint32_t i;

	for (i = 0; i < BUCKETS; i++)
		buckets[i] = NONE;
	for (i = 0; i < SLOTS; i++)
		subscriptions[i].next = i + 1 < SLOTS ? i + 1 : (uint32_t)NONE;
	free_slots = 0;
	fired = 0;
}

static int start(struct fid_mem_monitor *monitor)
{
	int error;

	(void)monitor;
	if (dreg.fd >= 0)
		return 0;
	subscriptions = calloc(SLOTS, sizeof(*subscriptions));
	if (!subscriptions)
		return -FI_ENOMEM;
	error = dreg_open(&dreg, SLOTS);
	if (error) {
		free(subscriptions);
		return error;
	}
	seen = dreg_user_delta(&dreg);
	forget_all();
	return 0;
}

static void stop(struct fid_mem_monitor *monitor)
{
	(void)monitor;
	if (dreg.fd < 0)
		return;
	dreg_close(&dreg);
	free(subscriptions);
}

/* An error means that this registration is not cached. */
static int subscribe(struct fid_mem_monitor *monitor, const void *addr, size_t len)
{
	uint32_t slot = free_slots, *bucket = bucket_of(addr);
	int error;

	(void)monitor;
	if (slot == (uint32_t)NONE)
		return -FI_ENOSPC;
	/* Or the ring would name the slot for what was under it before. */
	if (dreg_changed(&dreg, seen))
		take_firings();
	error = dreg_monitor(&dreg, slot, addr, len);
	if (error)
		return error;
	free_slots = subscriptions[slot].next;
	subscriptions[slot] = (struct subscription){ addr, len, *bucket, false };
	*bucket = slot;
	return 0;
}

/* Also of what was never subscribed, since subscribe() had failed. */
static void unsubscribe(struct fid_mem_monitor *monitor, const void *addr, size_t len)
{
	uint32_t *at = find(addr, len), slot = *at;

	(void)monitor;
	if (slot == (uint32_t)NONE)
		return;
	dreg_unmonitor(&dreg, slot);
	take_firings();
	fired -= subscriptions[slot].fired && fired > 0;
	*at = subscriptions[slot].next;
	subscriptions[slot].next = free_slots;
	subscriptions[slot].fired = false;
	free_slots = slot;
}

static bool valid(struct fid_mem_monitor *monitor, const void *addr, size_t len)
{
	uint32_t slot;

	(void)monitor;
	if (dreg_changed(&dreg, seen))
		take_firings();
	if (!fired)
		return true;
	slot = *find(addr, len);
	return slot != (uint32_t)NONE && !dreg_fired(&dreg, slot);
}

static struct fi_ops_mem_monitor operations = {
	.size = sizeof(operations),
	.start = start,
	.stop = stop,
	.subscribe = subscribe,
	.unsubscribe = unsubscribe,
	.valid = valid,
};

static struct fid_mem_monitor monitor = {
	.fid = { .fclass = FI_CLASS_MEM_MONITOR },
	.export_ops = &operations,
};

int dreg_ofi_import(void)
{
	struct dreg probe;
	int error = dreg_open(&probe, 1);

	/* Better now than at the opening of a domain, which would do without a cache. */
	if (error)
		return error;
	dreg_close(&probe);
	return fi_import(FI_VERSION(1, 13), "mr_cache", NULL, 0, 0, &monitor.fid, NULL);
}
