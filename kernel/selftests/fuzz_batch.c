// SPDX-License-Identifier: GPL-2.0
/* The fuzzer's batches: random ranges, at random places, some of them broken. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "device.h"

enum { BATCH_MAX = 6 };

static uint64_t random_address(void)
{
	uint64_t inside = (uintptr_t)fuzz.arena.base +
			  (uint64_t)below(ARENA_PAGES) * PAGE;

	switch (below(24)) {
	case 0:
		return inside + 1 + below(PAGE - 1);
	case 1:
		return 0xffff888000000000ull + (uint64_t)below(1000) * PAGE;
	case 2:
		return 0x00007ffffffff000ull - (uint64_t)below(3) * PAGE;
	case 3:
		/* No one's: far below anything that is ever mapped here. */
		return 0x0000100000000000ull + (uint64_t)below(1u << 20) * PAGE;
	default:
		return inside;
	}
}

static uint64_t random_length(uint64_t address)
{
	switch (below(24)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX - below(2 * PAGE);
	case 2:
		return -address - below(3) * (uint64_t)PAGE;
	default:
		return 1 + below(6 * PAGE);
	}
}

/* Never far out of the arena: what else is mapped there is not modelled. */
static bool is_tame(const struct dreg_range *range)
{
	uint64_t base = (uintptr_t)fuzz.arena.base;
	uint64_t end = base + (uint64_t)ARENA_PAGES * PAGE;

	return range->addr >= base && range->addr < end &&
	       range->len <= end - range->addr;
}

static struct dreg_range random_range(const struct model *model)
{
	uint64_t address = random_address();
	struct dreg_range range = {
		.addr = address,
		.len = random_length(address),
		.slot = below(model->slots ? model->slots : MODEL_SLOTS),
		.flags = rarely(40) ? 1 + below(3) : 0,
	};

	if (rarely(40))
		range.slot = rarely(2) ? model->slots : UINT32_MAX - below(3);
	if (!is_tame(&range) && range.addr >= (uintptr_t)fuzz.arena.base &&
	    range.addr < (uintptr_t)fuzz.arena.base + ARENA_PAGES * PAGE &&
	    range.len < (uint64_t)1 << 40)
		range.len = PAGE;
	return range;
}

/*
 * Where the array lies: at an ordinary place; so that only the first
 * @reachable ranges can be read; or where nothing can be written.
 */
struct placement {
	struct dreg_range *ranges;
	uint32_t reachable;
	bool constant;
};

static struct placement place(const struct dreg_range *ranges, uint32_t count)
{
	struct placement placed = { .reachable = count };
	size_t bytes;

	if (rarely(20)) {
		placed.constant = true;
		placed.ranges = (void *)fuzz.constant;
		must(mprotect(fuzz.constant, PAGE, PROT_READ | PROT_WRITE),
		     "mprotect");
		memcpy(placed.ranges, ranges, count * sizeof(*ranges));
		must(mprotect(fuzz.constant, PAGE, PROT_READ), "mprotect");
		return placed;
	}
	if (rarely(12))
		placed.reachable = below(count + 1);
	bytes = placed.reachable * sizeof(*ranges);
	placed.ranges = (void *)(fuzz.readable + PAGE - bytes);
	memcpy(placed.ranges, ranges, bytes);
	return placed;
}

static int expected_monitor(struct model *model,
			    const struct dreg_range *ranges, uint32_t count,
			    const struct placement *placed, uint32_t *done)
{
	int error = 0;

	for (*done = 0; *done < count && !error; *done += !error)
		error = *done >= placed->reachable ? -EFAULT :
			model_monitor(model, &ranges[*done]);
	return error;
}

static int expected_unmonitor(struct model *model, struct dreg_range *ranges,
			      uint32_t count, const struct placement *placed,
			      uint32_t *done)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		int result = i >= placed->reachable || placed->constant ?
			-EFAULT : model_unmonitor(model, ranges[i].slot);

		*done = i;
		if (result < 0)
			return result;
		ranges[i].flags = (uint32_t)result;
	}
	*done = count;
	return 0;
}

static void compare_flags(const struct dreg_range *got,
			  const struct dreg_range *wanted, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (got[i].flags != wanted[i].flags)
			difference("UNMONITOR of slot %u gave flags %u instead of %u",
				   got[i].slot, got[i].flags, wanted[i].flags);
}

void act_batch(struct context *context, unsigned long command)
{
	struct dreg_range ranges[BATCH_MAX];
	uint32_t count = below(BATCH_MAX + 1), i, done = 77;
	struct placement placed;
	struct dreg_batch batch;
	int wanted, got;

	for (i = 0; i < BATCH_MAX; i++)
		ranges[i] = random_range(&context->model);
	placed = place(ranges, count);
	batch = (struct dreg_batch){
		.ranges = (uintptr_t)placed.ranges,
		.count = rarely(40) ? UINT32_MAX - below(2) : count,
		.done = 77,
	};
	if (rarely(60)) {
		compare("a batch at a bad address",
			device_call(context->fd, command, fuzz.readable + PAGE - 8),
			-EFAULT);
		return;
	}
	got = device_call(context->fd, command, &batch);
	wanted = model_batch_check(&context->model, batch.count);
	if (!wanted && command == DREG_IOC_MONITOR)
		wanted = expected_monitor(&context->model, ranges, count,
					  &placed, &done);
	else if (!wanted)
		wanted = expected_unmonitor(&context->model, ranges, count,
					    &placed, &done);
	compare(command == DREG_IOC_MONITOR ? "MONITOR" : "UNMONITOR", got,
		wanted);
	compare("done", batch.done, done);
	if (command == DREG_IOC_UNMONITOR && done <= count)
		compare_flags(placed.ranges, ranges, done);
}
