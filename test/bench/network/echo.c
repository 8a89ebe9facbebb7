/* SPDX-License-Identifier: MIT */
/*
 * The least that TCP costs here: one socket, non-blocking, epoll asked without waiting, no library.
 *
 * usage: echo serve PORT | echo ask ADDRESS PORT BYTES...    prints {"bytes","ns"}: half round trips
 */
#define _GNU_SOURCE
#include "timing.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES_MAX (64u << 20)

static int connection, poller;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void await(uint32_t events)
{
	struct epoll_event event = { .events = events };

	if (epoll_ctl(poller, EPOLL_CTL_MOD, connection, &event))
		fail("epoll_ctl");
	while (epoll_wait(poller, &event, 1, 0) == 0)
		;
}

static void write_all(const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t done = write(connection, bytes, length);

		if (done < 0 && errno != EAGAIN)
			fail("write");
		if (done < 0)
			await(EPOLLOUT);
		else
			bytes += done, length -= done;
	}
}

/* Gives 0 where the other end has closed. */
static int read_all(char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t done = read(connection, bytes, length);

		if (done == 0)
			return 0;
		if (done < 0 && errno != EAGAIN)
			fail("read");
		if (done < 0)
			await(EPOLLIN);
		else
			bytes += done, length -= done;
	}
	return 1;
}

static void use(int socket)
{
	struct epoll_event event = { .events = EPOLLIN };
	int on = 1;

	if (socket < 0)
		fail("connection");
	connection = socket;
	poller = epoll_create1(0);
	setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fcntl(socket, F_SETFL, O_NONBLOCK);
	epoll_ctl(poller, EPOLL_CTL_ADD, socket, &event);
}

/* The asker says before each round how long it is; a round of another length follows. */
static void serve(int port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	char *bytes = malloc(BYTES_MAX);
	uint32_t length;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&any, sizeof(any)) || listen(listener, 1))
		fail("listen");
	puts("ready");
	fflush(stdout);
	use(accept(listener, NULL, NULL));
	while (read_all((char *)&length, sizeof(length))) {
		uint32_t rounds;

		read_all((char *)&rounds, sizeof(rounds));
		for (; rounds > 0; rounds--) {
			read_all(bytes, length);
			write_all(bytes, length);
		}
	}
}

static double ask(char *bytes, uint32_t length, uint32_t rounds)
{
	uint32_t words[] = { length, rounds };
	double start;

	write_all((char *)words, sizeof(words));
	start = milliseconds();
	for (uint32_t round = 0; round < rounds; round++) {
		write_all(bytes, length);
		read_all(bytes, length);
	}
	return milliseconds() - start;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0) {
		serve(atoi(argv[2]));
		return 0;
	}
	if (argc < 5 || strcmp(argv[1], "ask") != 0) {
		fprintf(stderr, "usage: echo serve PORT | echo ask ADDRESS PORT BYTES...\n");
		return 2;
	}
	struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[3])) };
	int socket_ = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, argv[2], &there.sin_addr);
	if (connect(socket_, (struct sockaddr *)&there, sizeof(there)))
		fail("connect");
	use(socket_);
	char *bytes = calloc(1, BYTES_MAX);

	for (int i = 4; i < argc; i++) {
		uint32_t length = atoi(argv[i]), rounds, done = 0;
		double blocks[BLOCKS], took = 0;

		for (; took < WARM_UP_MS; done++)
			took += ask(bytes, length, 1);
		rounds = rounds_of(done, took);
		for (int block = 0; block < BLOCKS; block++)
			blocks[block] = ask(bytes, length, rounds) * 1e6 / rounds / 2;
		printf("{\"bytes\": %u, \"ns\": %.0f}\n", length, median(blocks));
	}
	return 0;
}
