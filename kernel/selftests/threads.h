/* SPDX-License-Identifier: GPL-2.0 */
/* What the race tests share: threads that start together, where they run, safe loads. */
#ifndef DREG_SELFTESTS_THREADS_H
#define DREG_SELFTESTS_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

enum { THREADS_MAX = 64 };

struct threads {
	pthread_t ids[THREADS_MAX];
	unsigned int count;
};

/* Adds a thread that runs @body(@argument); bails out if it cannot. */
void threads_add(struct threads *threads, void *(*body)(void *),
		 void *argument);

/* Waits for all of them. */
void threads_join(struct threads *threads);

/*
 * Installs the handler that peek() needs.  Once, before any thread.
 */
void peek_prepare(void);

/*
 * Loads *@from; false if nothing is mapped there.  Never a crash, whatever
 * other threads do to the mapping.
 */
bool peek(const volatile uint64_t *from, uint64_t *value);

/*
 * A pause while there is nothing to do.  A sleep, not sched_yield(): on a busy
 * machine ten threads that yield to each other keep the one that could go on
 * from running.
 */
void nap(void);

/* From now on the calling thread, and those it starts, run on the first processor alone. */
void stay_on_one_processor(void);

/* Now and then a pause, so that two processors meet in every order. */
void dawdle(struct random *random);

#endif
