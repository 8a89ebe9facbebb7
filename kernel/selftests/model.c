// SPDX-License-Identifier: GPL-2.0
#include "model.h"

#include <errno.h>
#include <string.h>

#include "memory.h"

/* The end of user addresses with four levels of page tables. */
#define USER_END 0x00007ffffffff000ull

int model_setup(struct model *model, uint32_t abi, uint32_t slots,
		uint32_t max_slots)
{
	if (abi != DREG_ABI)
		return -EPROTONOSUPPORT;
	if (!slots || slots & (slots - 1) || slots > DREG_SLOTS_MAX)
		return -EINVAL;
	if (model->ready)
		return -EALREADY;
	if (slots > max_slots)
		return -EDQUOT;
	model->ready = true;
	model->slots = slots;
	return 0;
}

int model_batch_check(const struct model *model, uint32_t count)
{
	if (!model->ready)
		return -EBADFD;
	if (!count)
		return -EINVAL;
	return count > model->slots ? -E2BIG : 0;
}

static int range_check(const struct dreg_range *range, uint64_t *end)
{
	if (range->flags || !range->len || range->addr % PAGE)
		return -EINVAL;
	if (__builtin_add_overflow(range->addr, range->len, end) ||
	    __builtin_add_overflow(*end, PAGE - 1, end))
		return -EOVERFLOW;
	*end -= *end % PAGE;
	return *end > USER_END ? -EFAULT : 0;
}

int model_monitor(struct model *model, const struct dreg_range *range)
{
	struct model_slot *slot;
	uint64_t end;
	int error = range_check(range, &end);

	if (error)
		return error;
	if (range->slot >= model->slots)
		return -ERANGE;
	slot = &model->slot[range->slot];
	if (slot->monitored)
		return -EBUSY;
	*slot = (struct model_slot){
		.monitored = true,
		.start = range->addr,
		.end = end,
	};
	return 0;
}

static void forget_event(struct model *model, uint32_t slot)
{
	uint32_t i, kept = 0;

	for (i = 0; i < model->event_count; i++)
		if (model->events[i] != slot)
			model->events[kept++] = model->events[i];
	model->event_count = kept;
}

int model_unmonitor(struct model *model, uint32_t slot)
{
	if (slot >= model->slots)
		return -ERANGE;
	if (!model->slot[slot].monitored)
		return -ENOENT;
	model->slot[slot].monitored = false;
	forget_event(model, slot);
	return model->slot[slot].fired ? DREG_FIRED : 0;
}

void model_fire(struct model *model, uint32_t slot)
{
	model->slot[slot].fired = true;
	model->slot[slot].flag = 1;
	model->delta++;
	model->events[model->event_count++] = slot;
}

uint32_t model_take_event(struct model *model)
{
	uint32_t slot = model->events[0];

	forget_event(model, slot);
	return slot;
}
