// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "background.h"

static const char *row_name = "";

void scene_row(const char *name)
{
	row_name = name;
}

bool claim(bool pass, const char *what, ...)
{
	char text[256];
	va_list args;

	va_start(args, what);
	vsnprintf(text, sizeof(text), what, args);
	va_end(args);
	return tap_ok(pass, "%s: %s", row_name, text);
}

void lacks(const char *what, const char *thing)
{
	char text[256];

	snprintf(text, sizeof(text), "%s: %s", row_name, what);
	tap_lacks(text, thing);
}

void scene_open(struct scene *scene)
{
	int error;

	background_off();
	memset(scene, 0, sizeof(*scene));
	error = dreg_open(&scene->dreg, SCENE_SLOTS);
	if (error) {
		errno = -error;
		tap_bail("dreg_open");
	}
	must(fcntl(scene->dreg.fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
	scene->seen = dreg_user_delta(&scene->dreg);
	scene->has_rdma = rdma_open(&scene->rdma) == 0;
	if (!scene->has_rdma)
		tap_lacks("RDMA truth beside the monitor", "an RDMA device");
}

void scene_close(struct scene *scene)
{
	scene_clear(scene);
	if (scene->has_rdma)
		rdma_close(&scene->rdma);
	dreg_close(&scene->dreg);
}

void scene_monitor(struct scene *scene, uint32_t slot, void *addr, size_t len)
{
	struct watch *watch = &scene->watches[slot];
	int error = dreg_monitor(&scene->dreg, slot, addr, len);

	if (error) {
		errno = -error;
		tap_bail("%s: monitor %p + %zu", row_name, addr, len);
	}
	*watch = (struct watch){ .monitored = true, .addr = addr, .len = len };
}

void scene_register(struct scene *scene, uint32_t slot)
{
	struct watch *watch = &scene->watches[slot];

	if (!scene->has_rdma)
		return;
	watch->mr = rdma_register(&scene->rdma, watch->addr, watch->len);
	if (!watch->mr)
		tap_bail("%s: register %p + %zu", row_name, watch->addr,
			 watch->len);
}

void scene_watch(struct scene *scene, uint32_t slot, void *addr, size_t len)
{
	scene_monitor(scene, slot, addr, len);
	scene_register(scene, slot);
	if (dreg_fired(&scene->dreg, slot))
		tap_bail("%s: slot %u fired by being registered", row_name,
			 slot);
}

static void reap_ring(struct scene *scene)
{
	uint32_t slot;
	int got;

	while ((got = dreg_next(&scene->dreg, &scene->seen, &slot)) > 0) {
		if (slot >= SCENE_SLOTS)
			tap_bail("the ring names slot %u", slot);
		scene->watches[slot].ring_entries++;
	}
	if (got < 0)
		tap_bail("dreg_next: %d", got);
}

static void reap_events(struct scene *scene)
{
	struct dreg_event event;
	struct watch *watch;
	ssize_t got;

	while ((got = read(scene->dreg.fd, &event, sizeof(event))) > 0) {
		if (got != sizeof(event) || event.slot >= SCENE_SLOTS)
			tap_bail("read gave %zd bytes, slot %u", got,
				 event.slot);
		watch = &scene->watches[event.slot];
		watch->events++;
		watch->event = event;
	}
	if (got == 0 || errno != EAGAIN)
		tap_bail("read of the events gave %zd", got);
}

void scene_reap(struct scene *scene)
{
	reap_ring(scene);
	reap_events(scene);
}

static void show(struct scene *scene, uint32_t slot)
{
	struct watch *watch = &scene->watches[slot];

	tap_diag("slot %u [%p + %zu]: flag %d, %u ring entries, %u events, last: reason %u [%" PRIx64 ", %" PRIx64 ")",
		 slot, (void *)watch->addr, watch->len,
		 dreg_fired(&scene->dreg, slot), watch->ring_entries,
		 watch->events, watch->event.reason,
		 (uint64_t)watch->event.start, (uint64_t)watch->event.end);
}

/* The event's range is not empty and lies within the slot's pages. */
static bool event_is_inside(const struct watch *watch)
{
	uint64_t first = (uintptr_t)watch->addr & ~(uint64_t)(PAGE - 1);
	uint64_t last = ((uintptr_t)watch->addr + watch->len + PAGE - 1) &
			~(uint64_t)(PAGE - 1);

	return watch->event.start < watch->event.end &&
	       watch->event.start >= first && watch->event.end <= last;
}

void expect_fire(struct scene *scene, uint32_t slot, uint32_t reason,
		 const char *what)
{
	struct watch *watch = &scene->watches[slot];
	/* Before the reaping: the flag is there when the call has returned. */
	bool flag = dreg_fired(&scene->dreg, slot);

	scene_reap(scene);
	if (!claim(flag && watch->ring_entries == 1 && watch->events == 1 &&
		   (watch->event.reason == reason || reason == ANY_REASON) &&
		   event_is_inside(watch), "%s", what))
		show(scene, slot);
}

void expect_quiet(struct scene *scene, uint32_t slot, const char *what)
{
	struct watch *watch = &scene->watches[slot];

	scene_reap(scene);
	if (!claim(!dreg_fired(&scene->dreg, slot) &&
		   watch->ring_entries == 0 && watch->events == 0, "%s", what))
		show(scene, slot);
}

void expect_either(struct scene *scene, uint32_t slot, const char *what)
{
	struct watch *watch = &scene->watches[slot];
	unsigned int fired;

	scene_reap(scene);
	fired = dreg_fired(&scene->dreg, slot) ? 1 : 0;
	if (!claim(watch->ring_entries == fired && watch->events == fired,
		   "%s", what))
		show(scene, slot);
	tap_diag("%s here", fired ? "it fired" : "it did not fire");
}

static void expect_carried(struct scene *scene, uint32_t slot, size_t offset,
			   size_t len, unsigned char byte, const char *what)
{
	unsigned char carried[RDMA_LANDING_BYTES];
	struct watch *watch = &scene->watches[slot];
	int status;

	if (!scene->has_rdma) {
		lacks(what, "an RDMA device");
		return;
	}
	if (len > sizeof(carried) || offset + len > watch->len)
		tap_bail("%s: %zu bytes at %zu", row_name, len, offset);
	memset(watch->addr + offset, BYTE_NEW, len);
	status = rdma_carry_out(&scene->rdma, watch->mr, watch->addr + offset,
				carried, len);
	if (!claim(status == 0 && memory_is(carried, byte, len), "%s", what))
		tap_diag("status %d, first byte 0x%02x", status, carried[0]);
}

void expect_stale_part(struct scene *scene, uint32_t slot, size_t offset,
		       size_t len, const char *what)
{
	expect_carried(scene, slot, offset, len, BYTE_OLD, what);
}

void expect_fresh_part(struct scene *scene, uint32_t slot, size_t offset,
		       size_t len, const char *what)
{
	expect_carried(scene, slot, offset, len, BYTE_NEW, what);
}

void expect_stale(struct scene *scene, uint32_t slot, const char *what)
{
	expect_stale_part(scene, slot, 0, scene->watches[slot].len, what);
}

void expect_fresh(struct scene *scene, uint32_t slot, const char *what)
{
	expect_fresh_part(scene, slot, 0, scene->watches[slot].len, what);
}

void scene_clear(struct scene *scene)
{
	unsigned int fired = 0, wrong = 0, monitored = 0;
	uint32_t slot;

	scene_reap(scene);
	for (slot = 0; slot < SCENE_SLOTS; slot++) {
		struct watch *watch = &scene->watches[slot];
		int had_fired;

		if (!watch->monitored)
			continue;
		monitored++;
		had_fired = dreg_unmonitor(&scene->dreg, slot);
		if (had_fired != (int)watch->ring_entries ||
		    had_fired != (int)watch->events)
			wrong++;
		fired += had_fired == 1;
		if (watch->mr && ibv_dereg_mr(watch->mr))
			tap_bail("ibv_dereg_mr");
		*watch = (struct watch){ 0 };
	}
	if (monitored)
		claim(wrong == 0,
		      "UNMONITOR says of each range whether it fired (%u of %u)",
		      fired, monitored);
}
