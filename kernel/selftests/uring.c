// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "uring.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ring {
	int fd;
	struct io_uring_params params;
	unsigned char *rings;
	size_t rings_bytes;
	struct io_uring_sqe *entries;
};

static size_t rings_size(const struct io_uring_params *params)
{
	size_t submit = params->sq_off.array +
			params->sq_entries * sizeof(uint32_t);
	size_t complete = params->cq_off.cqes +
			  params->cq_entries * sizeof(struct io_uring_cqe);

	return submit > complete ? submit : complete;
}

static void ring_close(struct ring *ring)
{
	int error = errno;

	if (ring->entries != MAP_FAILED)
		munmap(ring->entries, sizeof(*ring->entries));
	if (ring->rings != MAP_FAILED)
		munmap(ring->rings, ring->rings_bytes);
	close(ring->fd);
	errno = error;
}

static int ring_open(struct ring *ring)
{
	memset(ring, 0, sizeof(*ring));
	ring->fd = (int)syscall(__NR_io_uring_setup, 1, &ring->params);
	if (ring->fd < 0)
		return -1;
	ring->rings_bytes = rings_size(&ring->params);
	ring->rings = mmap(NULL, ring->rings_bytes, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_POPULATE, ring->fd,
			   IORING_OFF_SQ_RING);
	ring->entries = mmap(NULL, sizeof(*ring->entries),
			     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			     ring->fd, IORING_OFF_SQES);
	if (ring->rings != MAP_FAILED && ring->entries != MAP_FAILED)
		return 0;
	ring_close(ring);
	return -1;
}

static uint32_t *word(struct ring *ring, uint32_t offset)
{
	return (uint32_t *)(ring->rings + offset);
}

static int submit_and_wait(struct ring *ring)
{
	const struct io_cqring_offsets *cq = &ring->params.cq_off;
	uint32_t *tail = word(ring, ring->params.sq_off.tail);
	struct io_uring_cqe *done;

	*word(ring, ring->params.sq_off.array) = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring->fd, 1, 1,
		    IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return -1;
	if (__atomic_load_n(word(ring, cq->tail), __ATOMIC_ACQUIRE) ==
	    *word(ring, cq->head)) {
		errno = EAGAIN;
		return -1;
	}
	done = (struct io_uring_cqe *)(ring->rings + cq->cqes);
	return done->res;
}

int uring_madvise(void *addr, size_t len, int advice)
{
	struct ring ring;
	int result;

	if (ring_open(&ring))
		return -1;
	ring.entries->opcode = IORING_OP_MADVISE;
	ring.entries->addr = (uintptr_t)addr;
	ring.entries->len = (uint32_t)len;
	ring.entries->fadvise_advice = (uint32_t)advice;
	result = submit_and_wait(&ring);
	ring_close(&ring);
	return result;
}
