/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A scene: one dreg context, the ranges it monitors, and beside each of them
 * an RDMA registration of the same bytes.  A scenario acts on the memory and
 * then states what it expects; each statement is one TAP claim.
 *
 *	scene_row("row 1, munmap of the range");
 *	range = memory_pages(4);
 *	scene_watch(&scene, 1, range, 4 * PAGE);
 *	munmap(range, 4 * PAGE);
 *	expect_fire(&scene, 1, DREG_REASON_UNMAP, "fires");
 *	memory_map_at(range, 4 * PAGE);
 *	expect_stale(&scene, 1, "the old registration carries the old bytes");
 *	scene_clear(&scene);
 */
#ifndef DREG_SELFTESTS_SCENE_H
#define DREG_SELFTESTS_SCENE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dreg.h"
#include "libdreg.h"
#include "memory.h"
#include "rdma.h"
#include "tap.h"

enum { SCENE_SLOTS = 64 };

/* For expect_fire(): kernels differ in how they announce this operation. */
#define ANY_REASON 0u

/* One monitored range, and everything that was seen to happen to it. */
struct watch {
	bool monitored;
	unsigned char *addr;
	size_t len;
	struct ibv_mr *mr;		/* NULL: monitored only */
	unsigned int ring_entries;	/* how often the ring named it */
	unsigned int events;		/* how often read() named it */
	struct dreg_event event;	/* the last of those */
};

struct scene {
	struct dreg dreg;
	struct rdma rdma;
	bool has_rdma;
	uint64_t seen;			/* user_delta up to which we reaped */
	struct watch watches[SCENE_SLOTS];
};

/* Opens /dev/dreg and the RDMA device (a scene without one says so). */
void scene_open(struct scene *scene);
void scene_close(struct scene *scene);

/* Names the row for the claims that follow: "NAME: claim". */
void scene_row(const char *name);

/* tap_ok() under the row's name. */
bool claim(bool pass, const char *what, ...)
	__attribute__((format(printf, 2, 3)));

/* tap_lacks() under the row's name. */
void lacks(const char *what, const char *thing);

/* Monitor, register, look at the flag; bails out if it fired. */
void scene_watch(struct scene *scene, uint32_t slot, void *addr, size_t len);

/* Monitor only: no page is pinned. */
void scene_monitor(struct scene *scene, uint32_t slot, void *addr, size_t len);

/* Registers what scene_monitor() monitors. */
void scene_register(struct scene *scene, uint32_t slot);

/* Takes in what the ring and read() say since the last look. */
void scene_reap(struct scene *scene);

/*
 * Fired exactly once, and everything agrees: flag, one entry in the ring,
 * user_delta, one event with this reason whose range touches the slot's.
 */
void expect_fire(struct scene *scene, uint32_t slot, uint32_t reason,
		 const char *what);

/* Not fired: no flag, no entry in the ring, no event. */
void expect_quiet(struct scene *scene, uint32_t slot, const char *what);

/* The kernel may widen an event here: fired or not, but one of the two. */
void expect_either(struct scene *scene, uint32_t slot, const char *what);

/*
 * The CPU writes BYTE_NEW to the slot's memory, which must be mapped
 * writable: stale if the registration, with status 0, still carries BYTE_OLD;
 * fresh if it carries BYTE_NEW.
 */
void expect_stale(struct scene *scene, uint32_t slot, const char *what);
void expect_fresh(struct scene *scene, uint32_t slot, const char *what);

/* The same for @len bytes at @offset of the slot's range. */
void expect_stale_part(struct scene *scene, uint32_t slot, size_t offset,
		       size_t len, const char *what);
void expect_fresh_part(struct scene *scene, uint32_t slot, size_t offset,
		       size_t len, const char *what);

/*
 * Ends a row: unmonitors every slot, which must say of each exactly whether
 * it had fired, and deregisters.  The memory is the caller's.
 */
void scene_clear(struct scene *scene);

#endif
