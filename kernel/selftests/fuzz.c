// SPDX-License-Identifier: GPL-2.0
/*
 * Random calls, good and broken, against a model of the module (model.h).
 *
 * After each call the return value, and of every open context every flag,
 * user_delta, the new ring entries and the events read must be the model's.
 * The first difference ends the run and names its call: the same seed and
 * number of rounds finds it again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "background.h"
#include "device.h"
#include "finish.h"
#include "fuzz.h"
#include "options.h"
#include "tap.h"

enum { CONTEXTS = 3, DEFAULT_ROUNDS = 100000 };

static struct context contexts[CONTEXTS];
static uint64_t max_slots;
static uint64_t firings, events_read;

/* Contexts come and go. */

static void open_context(struct context *context)
{
	memset(context, 0, sizeof(*context));
	context->fd = device_open();
	if (context->fd < 0)
		tap_bail("open: %d", context->fd);
	must(fcntl(context->fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
}

static void close_context(struct context *context)
{
	if (context->shared)
		munmap((void *)context->shared, context->bytes);
	must(close(context->fd), "close");
}

/*
 * Asked for a place far from everything: the kernel's own choice could be a
 * hole of the arena.
 */
static void *far_away(const struct context *context, int which)
{
	return (void *)(0x0000200000000000ull +
			((uintptr_t)(context - contexts) * 2 +
			 (uintptr_t)which) * HUGE_PAGE);
}

static void map_area(struct context *context)
{
	const struct dreg_shared *shared;

	shared = mmap(far_away(context, 0), context->bytes, PROT_READ,
		      MAP_SHARED, context->fd, 0);
	if (shared == MAP_FAILED)
		tap_bail("map the shared area");
	context->shared = shared;
	context->model.delta = shared->user_delta;
	if (shared->abi != DREG_ABI || shared->slots != context->model.slots)
		difference("the shared area's head is wrong");
}

static void act_setup(struct context *context)
{
	static const uint32_t sizes[] = { 0, 1, 3, 8, 16, 32, 32, 32,
					  DREG_SLOTS_MAX * 2, UINT32_MAX };
	struct dreg_setup setup = {
		.abi = rarely(4) ? below(5) : DREG_ABI,
		.slots = sizes[below(sizeof(sizes) / sizeof(sizes[0]))],
	};
	uint32_t abi = setup.abi;
	int got, wanted;

	if (rarely(8)) {
		compare("SETUP of a bad pointer",
			device_call(context->fd, DREG_IOC_SETUP,
				    fuzz.readable + PAGE - 8), -EFAULT);
		return;
	}
	got = device_call(context->fd, DREG_IOC_SETUP, &setup);
	wanted = model_setup(&context->model, abi, setup.slots,
			     (uint32_t)max_slots);
	compare("SETUP", got, wanted);
	if (wanted == -EPROTONOSUPPORT && setup.abi != DREG_ABI)
		difference("SETUP did not tell its ABI");
	if (got == 0 && wanted == 0) {
		context->bytes = setup.shared_bytes;
		map_area(context);
	}
}

/* Memory changes: the model fires what must, and takes over what may. */

static enum arena_verdict verdict_on(const struct model_slot *slot,
				     const struct arena_operation *operation)
{
	return arena_judge(&fuzz.arena, operation, slot->start, slot->end);
}

static uint32_t ring_entry(const struct context *context, uint64_t position)
{
	const uint32_t *ring = (const void *)((const char *)context->shared +
					      context->shared->ring_offset);

	return ring[position & (context->model.slots - 1)];
}

/* What the ring says has fired by @operation: each must have been allowed to. */
static void take_firings(struct context *context,
			 const struct arena_operation *operation)
{
	struct model *model = &context->model;
	uint64_t delta = context->shared->user_delta;
	struct model_slot *slot;
	uint32_t index;

	if (delta - model->delta > model->slots) {
		difference("user_delta moved by %" PRIu64,
			   delta - model->delta);
		return;
	}
	while (model->delta != delta) {
		index = ring_entry(context, model->delta);
		slot = index < model->slots ? &model->slot[index] : NULL;
		if (!slot || !slot->monitored || slot->fired ||
		    verdict_on(slot, operation) == ARENA_NO) {
			difference("slot %u fired and should not have", index);
			return;
		}
		model_fire(model, index);
		firings++;
	}
	for (index = 0; index < model->slots; index++) {
		slot = &model->slot[index];
		if (slot->monitored && !slot->fired &&
		    verdict_on(slot, operation) == ARENA_MUST)
			difference("slot %u did not fire", index);
	}
}

static void act_memory(void)
{
	struct arena_operation operation = arena_act(&fuzz.arena, &fuzz.random);
	uint32_t i;

	for (i = 0; i < CONTEXTS; i++)
		if (contexts[i].shared)
			take_firings(&contexts[i], &operation);
}

/* read, poll, mmap, and ioctls that do not exist. */

static void compare_events(struct model *model, const struct dreg_event *events,
			   uint32_t count)
{
	uint32_t i, slot;

	for (i = 0; i < count; i++) {
		slot = model_take_event(model);
		events_read++;
		if (events[i].slot != slot || events[i].reason == 0 ||
		    events[i].reason > DREG_REASON_CLEAR ||
		    events[i].start < model->slot[slot].start ||
		    events[i].end > model->slot[slot].end ||
		    events[i].start >= events[i].end)
			difference("event %u is of slot %u and not of slot %u, or its range is wrong",
				   i, events[i].slot, slot);
	}
}

static void act_read(struct context *context)
{
	struct dreg_event events[MODEL_SLOTS + 1];
	struct model *model = &context->model;
	uint32_t room = below(6), count;
	bool bad = rarely(10);
	ssize_t got;
	long wanted;

	got = read(context->fd, bad ? (void *)fuzz.constant : events,
		   room * sizeof(events[0]) + below(sizeof(events[0])));
	count = room < model->event_count ? room : model->event_count;
	if (!model->ready)
		wanted = -EBADFD;
	else if (!room)
		wanted = -EINVAL;
	else if (!count)
		wanted = -EAGAIN;
	else if (bad)
		wanted = -EFAULT;
	else
		wanted = (long)(count * sizeof(events[0]));
	compare("read", got < 0 ? -errno : got, wanted);
	if (wanted > 0 && got == wanted)
		compare_events(model, events, count);
}

static void act_poll(struct context *context)
{
	struct pollfd state = { .fd = context->fd, .events = POLLIN };
	short wanted = context->model.event_count ? POLLIN : 0;

	if (!context->model.ready)
		wanted = POLLERR;
	compare("poll", poll(&state, 1, 0) < 0 ? -errno : state.revents,
		wanted);
}

/* Errors of mmap have no order among themselves: one that applies must come. */
static void act_mmap(struct context *context)
{
	bool writable = rarely(3), private = rarely(3), offset = rarely(3);
	size_t bytes = context->bytes + below(2) * PAGE;
	int error = 0;
	void *area;

	bytes = bytes ? bytes : PAGE;
	area = mmap(far_away(context, 1), bytes,
		    writable ? PROT_READ | PROT_WRITE : PROT_READ,
		    private ? MAP_PRIVATE : MAP_SHARED, context->fd,
		    offset ? PAGE : 0);
	if (area == MAP_FAILED)
		error = -errno;
	else
		munmap(area, bytes);
	if (!context->model.ready)
		compare("mmap", error, -EBADFD);
	else if (error == -EACCES && !writable)
		difference("mmap gave EACCES for nothing");
	else if (error == -EINVAL && !private && !offset &&
		 bytes == context->bytes)
		difference("mmap gave EINVAL for nothing");
	else if (error == 0 && (writable || private || offset ||
				bytes > context->bytes))
		difference("mmap allowed what it must not");
	else if (error && error != -EACCES && error != -EINVAL)
		difference("mmap gave %d", error);
}

static void act_unknown(struct context *context)
{
	unsigned long command = _IOC(below(4), DREG_IOC_MAGIC, 4 + below(200),
				     below(64));

	compare("an unknown ioctl",
		device_call(context->fd, command, fuzz.readable), -ENOTTY);
}

/* After every call: all that can be seen without a call. */

static void compare_areas(void)
{
	uint32_t i, slot;

	for (i = 0; i < CONTEXTS; i++) {
		const struct context *context = &contexts[i];
		const uint8_t *flag = (const uint8_t *)context->shared;

		if (!context->shared)
			continue;
		flag += context->shared->flag_offset;
		if (context->shared->user_delta != context->model.delta)
			difference("context %u: user_delta moved", i);
		for (slot = 0; slot < context->model.slots; slot++)
			if (flag[slot] != context->model.slot[slot].flag)
				difference("context %u: flag %u is %u", i, slot,
					   flag[slot]);
	}
}

static void act(void)
{
	struct context *context = &contexts[below(CONTEXTS)];

	switch (below(64)) {
	case 0 ... 19:
		act_batch(context, DREG_IOC_MONITOR);
		break;
	case 20 ... 31:
		act_batch(context, DREG_IOC_UNMONITOR);
		break;
	case 32 ... 47:
		act_memory();
		break;
	case 48 ... 53:
		act_read(context);
		break;
	case 54 ... 56:
		act_poll(context);
		break;
	case 57 ... 58:
		act_mmap(context);
		break;
	case 59 ... 60:
		act_setup(context);
		break;
	case 61:
		act_unknown(context);
		break;
	default:
		if (rarely(8)) {
			close_context(context);
			open_context(context);
		}
	}
}

static void run(uint64_t rounds)
{
	for (fuzz.round = 0; fuzz.round < rounds && !fuzz.differs; fuzz.round++) {
		act();
		compare_areas();
	}
}

static void claim_coverage(void)
{
	static const int errors[] = { EFAULT, EPROTONOSUPPORT, EINVAL,
				      EALREADY, EBADFD, E2BIG, EOVERFLOW,
				      ERANGE, EBUSY, ENOENT, EAGAIN, ENOTTY,
				      EDQUOT };
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		tap_ok(fuzz.seen_errno[errors[i]], "fuzz: %s came about",
		       strerrorname_np(errors[i]));
	tap_diag("%" PRIu64 " firings, %" PRIu64 " events read", firings,
		 events_read);
	tap_ok(firings > 100 && events_read > 100,
	       "fuzz: slots fired and events were read");
}

int main(int argc, char **argv)
{
	struct options options = { .rounds = DEFAULT_ROUNDS };
	long long slots_before;
	uint32_t i;

	options_parse(&options, argc, argv);
	background_off();
	fuzz.random = random_seed(options.seed);
	arena_make(&fuzz.arena);
	fuzz.readable = memory_pages(1);
	fuzz.constant = memory_pages(1);
	must(mprotect(fuzz.constant, PAGE, PROT_READ), "mprotect");
	max_slots = 16;
	slots_before = device_set_parameter("max_slots", (long long)max_slots);
	for (i = 0; i < CONTEXTS; i++)
		open_context(&contexts[i]);
	run(options.rounds);
	tap_ok(!fuzz.differs, "fuzz: model and module agree on every call (%" PRIu64 " of %" PRIu64 ")",
	       fuzz.round, options.rounds);
	claim_coverage();
	device_set_parameter("max_slots", slots_before);
	for (i = 0; i < CONTEXTS; i++)
		close_context(&contexts[i]);
	return finish();
}
