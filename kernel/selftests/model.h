/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small model of one dreg context, for the fuzzer: what each call must
 * return and what it must change, from the rules of dreg.h and nothing else.
 */
#ifndef DREG_SELFTESTS_MODEL_H
#define DREG_SELFTESTS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "dreg.h"

enum { MODEL_SLOTS = 32 };

struct model_slot {
	bool monitored;
	bool fired;
	uint8_t flag;
	uint64_t start;
	uint64_t end;
};

struct model {
	bool ready;		/* SETUP has succeeded */
	uint32_t slots;
	uint64_t delta;
	struct model_slot slot[MODEL_SLOTS];
	/* Slots that have fired and whose events were not read, oldest first. */
	uint32_t events[MODEL_SLOTS];
	uint32_t event_count;
};

/* What SETUP must return; on success the model is ready. */
int model_setup(struct model *model, uint32_t abi, uint32_t slots,
		uint32_t max_slots);

/*
 * What MONITOR or UNMONITOR of @count ranges must return, apart from errors of
 * pointers: the driver of the model knows about those.
 */
int model_batch_check(const struct model *model, uint32_t count);

/* One range of MONITOR: 0 or the negative errno. */
int model_monitor(struct model *model, const struct dreg_range *range);

/* One range of UNMONITOR: flags (0 or DREG_FIRED), or the negative errno. */
int model_unmonitor(struct model *model, uint32_t slot);

/* The slot fires: flag, user_delta, event. */
void model_fire(struct model *model, uint32_t slot);

/* Takes the oldest event off; the slot. */
uint32_t model_take_event(struct model *model);

#endif
