/* SPDX-License-Identifier: GPL-2.0 */
/* Inside of upheaval.c: one operation, and the kinds that there are. */
#ifndef DREG_SELFTESTS_UPHEAVAL_KINDS_H
#define DREG_SELFTESTS_UPHEAVAL_KINDS_H

#include "upheaval.h"

/* One operation: where, and with which dice. */
struct place {
	struct upheaval *arena;
	struct random *random;
	uint32_t first;
	uint32_t last;
	unsigned char *addr;
	size_t bytes;
	struct upheaval_window *window;
};

struct upheaval_kind {
	const char *name;
	/* True if it has done something. */
	bool (*act)(struct place *place);
	uint32_t weight;
};

extern const struct upheaval_kind upheaval_kinds[];
extern const uint32_t upheaval_kind_count;

/* upheaval_kinds.c */
unsigned char *place_of(const struct upheaval *arena, uint32_t page);
void wherever_it_is(struct place *place);
/* The mapping is going to be cut at both ends of the place. */
void cuts(struct place *place);
bool elsewhere(struct place *place, uint32_t *first);
bool touch(const struct place *place, bool write);
bool do_map(struct place *place);

/* upheaval_faults.c: userfaultfd */
int faults_open(void);
bool do_uffd_register(struct place *place);
bool do_uffd_copy(struct place *place);
bool do_uffd_zero(struct place *place);
bool do_uffd_protect(struct place *place);
bool do_uffd_move(struct place *place);
bool do_guard(struct place *place);

#endif
