// SPDX-License-Identifier: GPL-2.0
/*
 * Rows 28 and 30 under stress: the address that is given to someone else (ABA).
 *
 * Each mover owns a place of one page and puts ever new pages there; each page
 * holds its own number, written before it is ever mapped.  Each checker
 * monitors a place, registers it, looks at the flag, and then goes on using
 * the registration for as long as the flag is down.  The rule of a cache: what
 * the registration carries and what is mapped are the same page, or the flag
 * is up.
 *
 * Most checkers register by asking the kernel for the page's number, the way
 * that a registration asks it for the page; one registers by RDMA, and asks the
 * device which page it carries.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "finish.h"
#include "libdreg.h"
#include "memory.h"
#include "options.h"
#include "rdma.h"
#include "tap.h"
#include "threads.h"

enum {
	DEFAULT_THREADS = 8,
	DEFAULT_ROUNDS = 40000,
	RDMA_ROUNDS = 1500,	/* at most */
	NUMBERS = 1024,		/* different pages in the file */
	LOOKS = 12,		/* at most, at one registration */
};

struct mover {
	unsigned char *place;
	unsigned char *scratch;
	uint64_t number;
	uint64_t moves;
	struct random random;
};

struct checker {
	uint32_t slot;
	uint64_t rounds;
	struct random random;
	bool by_rdma;

	uint64_t looks;
	uint64_t changed_between; /* seen by the look after registering */
	uint64_t changed_later;
	uint64_t stale_carried;	/* and the flag was up: it was needed */
	uint64_t violations;
	uint64_t failed_calls;
};

static struct dreg dreg;
static struct rdma rdma;
static struct mover movers[THREADS_MAX];
static struct checker checkers[THREADS_MAX];
static unsigned int mover_count;
static bool stop_moving;
static int file;

static void make_file(void)
{
	uint64_t number;

	file = memfd_create("dreg-selftest", MFD_CLOEXEC);
	if (file < 0)
		tap_bail("memfd_create");
	must(ftruncate(file, (off_t)NUMBERS * PAGE), "ftruncate");
	for (number = 0; number < NUMBERS; number++)
		if (pwrite(file, &number, sizeof(number),
			   (off_t)(number * PAGE)) != sizeof(number))
			tap_bail("pwrite");
}

static void map_number(struct mover *mover, void *place, int flags)
{
	mover->number = (mover->number + 1) % NUMBERS;
	if (mmap(place, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | flags, file,
		 (off_t)(mover->number * PAGE)) != place)
		tap_bail("map page %" PRIu64, mover->number);
}

/* Three ways for a place to get another page; the second leaves a hole. */
static void move_once(struct mover *mover)
{
	switch (random_below(&mover->random, 3)) {
	case 0:
		map_number(mover, mover->place, MAP_FIXED);
		break;
	case 1:
		must(munmap(mover->place, PAGE), "munmap");
		dawdle(&mover->random);
		map_number(mover, mover->place, MAP_FIXED_NOREPLACE);
		break;
	default:
		map_number(mover, mover->scratch, MAP_FIXED_NOREPLACE);
		if (mremap(mover->scratch, PAGE, PAGE, MREMAP_MAYMOVE |
			   MREMAP_FIXED, mover->place) != mover->place)
			tap_bail("mremap");
	}
	mover->moves++;
}

static void *move(void *argument)
{
	struct mover *mover = argument;
	uint32_t naps;

	while (!__atomic_load_n(&stop_moving, __ATOMIC_SEQ_CST)) {
		move_once(mover);
		/* Time for the checkers to find a page that stays a while. */
		for (naps = random_below(&mover->random, 6); naps; naps--)
			sched_yield();
	}
	return NULL;
}

/*
 * What a registration would find at the place: from the page tables.  A load
 * would not do: a processor may go on using an old translation between the end
 * of the invalidation and the flush that follows it, so that a load after
 * MONITOR can still see a page whose removal is over for everybody else.
 */
static bool page_at(const unsigned char *place, uint64_t *number)
{
	struct iovec to = { number, sizeof(*number) };
	struct iovec from = { (void *)place, sizeof(*number) };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) ==
	       sizeof(*number);
}

/* What the registration carries: the number of its page. */
static bool carried(struct ibv_mr *mr, const void *place, uint64_t *number)
{
	return rdma_carry_out(&rdma, mr, place, number, sizeof(*number)) == 0;
}

/*
 * One look at a registration of page @registered (by RDMA if @mr): false once
 * the flag is up.
 */
static bool look(struct checker *checker, const unsigned char *place,
		 struct ibv_mr *mr, uint64_t registered)
{
	uint64_t mapped = 0, number = registered;
	bool there;

	if (mr && !carried(mr, place, &number))
		checker->failed_calls++;
	there = peek((const volatile uint64_t *)place, &mapped);
	checker->looks++;
	if (dreg_fired(&dreg, checker->slot)) {
		checker->changed_later++;
		checker->stale_carried += !there || mapped != number;
		return false;
	}
	if (!there || mapped != number)
		checker->violations++;
	return true;
}

static void use(struct checker *checker, const unsigned char *place,
		struct ibv_mr *mr, uint64_t registered)
{
	uint32_t looks = 1 + random_below(&checker->random, LOOKS);

	if (dreg_fired(&dreg, checker->slot)) {
		checker->changed_between++;
		return;
	}
	while (looks-- && look(checker, place, mr, registered))
		dawdle(&checker->random);
}

static void check_once(struct checker *checker)
{
	unsigned char *place =
		movers[random_below(&checker->random, mover_count)].place;
	struct ibv_mr *mr = NULL;
	uint64_t registered;
	int fired;

	if (dreg_monitor(&dreg, checker->slot, place, PAGE)) {
		checker->failed_calls++;
		return;
	}
	dawdle(&checker->random);
	/* A hole cannot be registered; what comes there later need not fire. */
	if (checker->by_rdma) {
		mr = rdma_register(&rdma, place, PAGE);
		if (mr && !carried(mr, place, &registered))
			checker->failed_calls++;
		if (mr)
			use(checker, place, mr, registered);
	} else if (page_at(place, &registered)) {
		use(checker, place, NULL, registered);
	}
	fired = dreg_fired(&dreg, checker->slot);
	if (dreg_unmonitor(&dreg, checker->slot) < fired)
		checker->failed_calls++;
	if (mr && ibv_dereg_mr(mr))
		checker->failed_calls++;
}

static void *check(void *argument)
{
	struct checker *checker = argument;
	uint64_t round;

	for (round = 0; round < checker->rounds; round++)
		check_once(checker);
	return NULL;
}

static void prepare(const struct options *options, unsigned int checker_count)
{
	unsigned int i;
	int error = dreg_open(&dreg, 64);

	if (error)
		tap_bail("dreg_open: %d", error);
	peek_prepare();
	make_file();
	for (i = 0; i < mover_count; i++) {
		movers[i].random = random_seed(options->seed + i);
		movers[i].number = i * NUMBERS / mover_count;
		movers[i].place = memory_hole(PAGE, PAGE);
		map_number(&movers[i], movers[i].place, MAP_FIXED_NOREPLACE);
		movers[i].scratch = memory_hole(PAGE, PAGE);
	}
	for (i = 0; i < checker_count; i++) {
		checkers[i].slot = i;
		checkers[i].random =
			random_seed(options->seed + THREADS_MAX + i);
		checkers[i].rounds = options->rounds / (checker_count - 1);
	}
}

static void run(unsigned int checker_count)
{
	struct threads moving = { .count = 0 }, checking = { .count = 0 };
	unsigned int i;

	for (i = 0; i < mover_count; i++)
		threads_add(&moving, move, &movers[i]);
	for (i = 0; i < checker_count; i++)
		threads_add(&checking, check, &checkers[i]);
	threads_join(&checking);
	__atomic_store_n(&stop_moving, true, __ATOMIC_SEQ_CST);
	threads_join(&moving);
}

static void judge(const char *row, const struct checker *from,
		  unsigned int count)
{
	struct checker sum = { 0 };
	uint64_t rounds = 0;
	unsigned int i;

	for (i = 0; i < count; i++) {
		rounds += from[i].rounds;
		sum.looks += from[i].looks;
		sum.changed_between += from[i].changed_between;
		sum.changed_later += from[i].changed_later;
		sum.stale_carried += from[i].stale_carried;
		sum.violations += from[i].violations;
		sum.failed_calls += from[i].failed_calls;
	}
	tap_diag("%" PRIu64 " registrations, %" PRIu64 " looks; changed before the first look %" PRIu64 ", later %" PRIu64 ", stale then %" PRIu64,
		 rounds, sum.looks, sum.changed_between, sum.changed_later,
		 sum.stale_carried);
	if (!tap_ok(sum.violations == 0,
		    "%s: another page is never there while the flag is down",
		    row))
		tap_diag("%" PRIu64 " times it was", sum.violations);
	tap_ok(sum.stale_carried > 0,
	       "%s: the flag was needed: without it stale pages were used",
	       row);
	tap_ok(sum.changed_between > 0,
	       "%s: the look after registering was needed", row);
	tap_ok(sum.failed_calls == 0, "%s: no call fails", row);
}

int main(int argc, char **argv)
{
	struct options options = {
		.rounds = DEFAULT_ROUNDS,
		.threads = DEFAULT_THREADS,
	};
	unsigned int checker_count;
	bool has_rdma;

	options_parse(&options, argc, argv);
	mover_count = options.threads / 2;
	checker_count = options.threads - mover_count;
	if (mover_count < 1 || options.threads > THREADS_MAX - 1)
		tap_bail("%u threads", options.threads);
	/* First: what it maps must not land in a hole that a mover counts on. */
	has_rdma = rdma_open(&rdma) == 0;
	prepare(&options, checker_count + 1);
	checkers[checker_count].by_rdma = true;
	checkers[checker_count].rounds =
		options.rounds < RDMA_ROUNDS ? options.rounds : RDMA_ROUNDS;
	run(has_rdma ? checker_count + 1 : checker_count);
	judge("rows 28, 30", checkers, checker_count);
	if (has_rdma) {
		judge("rows 28, 30, by RDMA", &checkers[checker_count], 1);
		rdma_close(&rdma);
	} else {
		tap_lacks("rows 28, 30, by RDMA", "an RDMA device");
	}
	dreg_close(&dreg);
	return finish();
}
