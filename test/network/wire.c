/* SPDX-License-Identifier: MIT */
/*
 * A link between two network namespaces that delays, loses and reorders packets, for kernels without netem:
 * a device eth0 (tun) in each, and this process between them. It ends with the process that started it.
 *
 * usage: wire READY-FILE NAMESPACE NAMESPACE DELAY_US LOSS_PPM REORDER_PPM
 *
 * As netem does it, a packet that is reordered goes at once, before those that wait for their time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Packets on their way in one direction; those beyond are lost, as in any router. */
#define QUEUE 4096
/* Segments arrive joined (TSO): a header of virtio, one of IP, and 64 KiB. */
#define PACKET_MAX (66 * 1024)
#define MILLION 1000000

struct packet {
	int64_t due;
	size_t length;
	char *bytes;
};

struct direction {
	int from, to;
	unsigned head, tail;
	struct packet queue[QUEUE];
};

static int64_t delay;
static uint32_t loss, reorder;
static uint64_t state = 0x9e3779b97f4a7c15;

static void fail(const char *what)
{
	fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* Whether something happens that happens so often in a million; the same sequence in each run. */
static int happens(uint32_t often)
{
	if (often == 0)
		return 0;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 20) % MILLION < often;
}

static int open_device(const char *namespace)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	int into = open(namespace, O_RDONLY | O_CLOEXEC);
	int device;

	if (into < 0 || setns(into, CLONE_NEWNET))
		fail(namespace);
	close(into);
	device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (device < 0)
		fail("/dev/net/tun");
	strcpy(request.ifr_name, "eth0");
	if (ioctl(device, TUNSETIFF, &request))
		fail("TUNSETIFF");
	if (ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6))
		fail("TUNSETOFFLOAD");
	return device;
}

/* What the device does not take is lost. */
static void deliver(int to, const char *bytes, size_t length)
{
	if (write(to, bytes, length) < 0 && errno != EAGAIN && errno != EIO && errno != ENOBUFS)
		fail("write");
}

static void take(struct direction *way)
{
	static char bytes[PACKET_MAX];

	for (;;) {
		ssize_t length = read(way->from, bytes, sizeof(bytes));

		if (length < 0 && (errno == EAGAIN || errno == EIO))
			return;
		if (length < 0)
			fail("read");
		if (happens(loss))
			continue;
		if (delay == 0 || happens(reorder)) {
			deliver(way->to, bytes, length);
			continue;
		}
		if (way->tail - way->head == QUEUE)
			continue;
		struct packet *packet = &way->queue[way->tail % QUEUE];

		packet->bytes = malloc(length);
		if (packet->bytes == NULL)
			fail("malloc");
		memcpy(packet->bytes, bytes, length);
		packet->length = length;
		packet->due = now() + delay;
		way->tail++;
	}
}

/* Sends what is due; gives when the next one will be, or -1. */
static int64_t pass_on(struct direction *way)
{
	while (way->head != way->tail) {
		struct packet *packet = &way->queue[way->head % QUEUE];

		if (packet->due > now())
			return packet->due;
		deliver(way->to, packet->bytes, packet->length);
		free(packet->bytes);
		way->head++;
	}
	return -1;
}

int main(int argc, char **argv)
{
	static struct direction ways[2];
	struct pollfd devices[2];

	if (argc != 7) {
		fprintf(stderr, "usage: wire READY-FILE NAMESPACE NAMESPACE DELAY_US LOSS_PPM REORDER_PPM\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1);
	delay = atoll(argv[4]) * 1000;
	loss = atoi(argv[5]);
	reorder = atoi(argv[6]);
	for (int i = 0; i < 2; i++) {
		int device = open_device(argv[2 + i]);

		devices[i] = (struct pollfd){ .fd = device, .events = POLLIN };
		ways[i].from = ways[1 - i].to = device;
	}
	close(creat(argv[1], 0600));
	for (;;) {
		int64_t next = -1;

		for (int i = 0; i < 2; i++) {
			take(&ways[i]);
			int64_t due = pass_on(&ways[i]);

			if (due >= 0 && (next < 0 || due < next))
				next = due;
		}
		int64_t wait = next < 0 ? 0 : next - now();
		struct timespec timeout = { wait / 1000000000, wait % 1000000000 };

		if (wait < 0)
			continue;
		ppoll(devices, 2, next < 0 ? NULL : &timeout, NULL);
	}
}
