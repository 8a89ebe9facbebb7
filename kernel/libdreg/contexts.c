// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "contexts.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct context {
	struct context *next;
	void *shared;
	size_t bytes;
	bool inherited;		/* a parent's: what is there is our filling */
};

static struct context *contexts;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_error;

/*
 * No slots; a user_delta that differs from whatever was seen; every flag up.
 * Behind @bytes of header and flags all is 0, and costs no memory.
 */
static void say_all_changed(struct dreg_shared *head, const struct context *context)
{
	head->abi = DREG_ABI;
	head->slots = 0;
	head->flag_offset = sizeof(*head);
	head->user_delta = UINT64_MAX;
	/* A slot has its flag and four bytes of the ring. */
	memset(head + 1, 1, (context->bytes - sizeof(*head)) / 5 + 1);
}

/* Only calls that a child of a threaded process may make. */
static void fill_hole(struct context *context)
{
	void *filled;

	/* What somebody's handler has mapped there before us is not ours to take. */
	filled = mmap(context->shared, context->bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
		      -1, 0);
	if (filled == MAP_FAILED)
		return;
	if (filled != context->shared) {
		/* A kernel that takes the flag for a hint. */
		munmap(filled, context->bytes);
		return;
	}
	say_all_changed(filled, context);
	context->inherited = true;
}

static void before_fork(void)
{
	pthread_mutex_lock(&mutex);
}

static void in_parent(void)
{
	pthread_mutex_unlock(&mutex);
}

static void in_child(void)
{
	struct context *context;

	for (context = contexts; context; context = context->next)
		if (!context->inherited)
			fill_hole(context);
	pthread_mutex_unlock(&mutex);
}

static void watch_forks(void)
{
	once_error = pthread_atfork(before_fork, in_parent, in_child);
}

int contexts_add(const struct dreg_shared *shared, size_t bytes)
{
	struct context *context;

	pthread_once(&once, watch_forks);
	context = once_error ? NULL : malloc(sizeof(*context));
	if (!context)
		return -1;
	*context = (struct context){ .shared = (void *)shared, .bytes = bytes };
	pthread_mutex_lock(&mutex);
	context->next = contexts;
	contexts = context;
	pthread_mutex_unlock(&mutex);
	return 0;
}

bool contexts_remove(const struct dreg_shared *shared)
{
	struct context **at, *found;
	bool inherited = false;

	pthread_mutex_lock(&mutex);
	for (at = &contexts; *at && (*at)->shared != shared; at = &(*at)->next)
		;
	found = *at;
	if (found)
		*at = found->next;
	pthread_mutex_unlock(&mutex);
	if (found)
		inherited = found->inherited;
	free(found);
	return inherited;
}
