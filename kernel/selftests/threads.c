// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "threads.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tap.h"

static __thread sigjmp_buf *peek_return;

void threads_add(struct threads *threads, void *(*body)(void *),
		 void *argument)
{
	if (threads->count == THREADS_MAX ||
	    pthread_create(&threads->ids[threads->count], NULL, body, argument))
		tap_bail("start a thread");
	threads->count++;
}

void threads_join(struct threads *threads)
{
	unsigned int i;

	for (i = 0; i < threads->count; i++)
		if (pthread_join(threads->ids[i], NULL))
			tap_bail("join a thread");
	threads->count = 0;
}

static void on_fault(int signal_number)
{
	if (peek_return)
		siglongjmp(*peek_return, 1);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

void peek_prepare(void)
{
	/* NODEFER: the jump out of the handler must not leave it blocked. */
	struct sigaction action = {
		.sa_handler = on_fault,
		.sa_flags = SA_NODEFER,
	};

	if (sigaction(SIGSEGV, &action, NULL) ||
	    sigaction(SIGBUS, &action, NULL))
		tap_bail("sigaction");
}

bool peek(const volatile uint64_t *from, uint64_t *value)
{
	sigjmp_buf here;
	bool there = false;

	if (sigsetjmp(here, 0) == 0) {
		peek_return = &here;
		/* The handler must be armed before the load, in this order. */
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		*value = *from;
		there = true;
	}
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	peek_return = NULL;
	/* What is looked at next (a flag) is looked at after this load. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return there;
}

void stay_on_one_processor(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		tap_bail("sched_setaffinity");
}

void nap(void)
{
	const struct timespec pause = { .tv_nsec = 50 * 1000 };

	nanosleep(&pause, NULL);
}

void dawdle(struct random *random)
{
	uint32_t how = random_below(random, 16);
	uint32_t spins;

	if (how == 0)
		sched_yield();
	else if (how < 6)
		for (spins = random_below(random, 200); spins; spins--)
			__atomic_signal_fence(__ATOMIC_SEQ_CST);
}
