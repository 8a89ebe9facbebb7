/* SPDX-License-Identifier: MIT */
/*
 * What operations.ts measures of ours, in plain MPI: two ranks, a line of JSON each,
 * {"measure": NAME, "ns": T}, medians over short blocks.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 1000, BLOCKS = 61, WARM_UP = 10, COLUMN_TURNS = 100, GO = MANY, BYTES = 8 };

static int rank;
static char outgoing[BYTES], incoming[MANY][BYTES];
static MPI_Request requests[MANY];
static double *matrix;
static MPI_Datatype column;

static int ascending(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static void go(int from)
{
	char byte = 0;

	if (rank == from)
		MPI_Send(&byte, 1, MPI_BYTE, 1 - from, GO, MPI_COMM_WORLD);
	else
		MPI_Recv(&byte, 1, MPI_BYTE, from, GO, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void send_all(int reversed)
{
	for (int i = 0; i < MANY; i++)
		MPI_Send(outgoing, BYTES, MPI_BYTE, 1, reversed ? MANY - 1 - i : i, MPI_COMM_WORLD);
}

static void post_all(void)
{
	for (int i = 0; i < MANY; i++)
		MPI_Irecv(incoming[i], BYTES, MPI_BYTE, 0, i, MPI_COMM_WORLD, &requests[i]);
}

static void posted(int reversed)
{
	if (rank == 1)
		post_all();
	go(1);
	if (rank == 0)
		send_all(reversed);
	else
		MPI_Waitall(MANY, requests, MPI_STATUSES_IGNORE);
	go(1);
}

static void wait_any(void)
{
	if (rank == 1)
		post_all();
	go(1);
	if (rank == 0) {
		send_all(0);
	} else {
		for (int i = 0, index; i < MANY; i++)
			MPI_Waitany(MANY, requests, &index, MPI_STATUS_IGNORE);
	}
	go(1);
}

static void unexpected(int reversed)
{
	if (rank == 0)
		send_all(0);
	/* What it sends last is received first. */
	go(0);
	if (rank == 1)
		for (int i = 0; i < MANY; i++)
			MPI_Recv(incoming[i], BYTES, MPI_BYTE, 0, reversed ? MANY - 1 - i : i,
				 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	go(1);
}

static void columns(void)
{
	for (int i = 0; i < COLUMN_TURNS; i++) {
		if (rank == 0) {
			MPI_Send(matrix, 1, column, 1, 0, MPI_COMM_WORLD);
			MPI_Recv(matrix + 1, 1, column, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		} else {
			MPI_Recv(matrix + 1, 1, column, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			MPI_Send(matrix, 1, column, 0, 0, MPI_COMM_WORLD);
		}
	}
}

static void run(const char *measure)
{
	if (!strcmp(measure, "waitAny"))
		wait_any();
	else if (!strcmp(measure, "posted"))
		posted(0);
	else if (!strcmp(measure, "posted-reversed"))
		posted(1);
	else if (!strcmp(measure, "unexpected"))
		unexpected(0);
	else if (!strcmp(measure, "unexpected-reversed"))
		unexpected(1);
	else
		columns();
}

int main(int argc, char **argv)
{
	double blocks[BLOCKS];

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	matrix = calloc(MANY * MANY, sizeof(*matrix));
	for (int i = 0; i < MANY * MANY; i++)
		matrix[i] = 1;
	MPI_Type_vector(MANY, 1, MANY, MPI_DOUBLE, &column);
	MPI_Type_commit(&column);
	for (int arg = 1; arg < argc; arg++) {
		int parts = strcmp(argv[arg], "column") ? MANY : 2 * COLUMN_TURNS;

		for (int block = -WARM_UP; block < BLOCKS; block++) {
			double started;

			MPI_Barrier(MPI_COMM_WORLD);
			started = MPI_Wtime();
			run(argv[arg]);
			if (block >= 0)
				blocks[block] = (MPI_Wtime() - started) * 1e9 / parts;
		}
		qsort(blocks, BLOCKS, sizeof(blocks[0]), ascending);
		if (rank == 0)
			printf("{\"measure\": \"%s\", \"ns\": %.1f}\n", argv[arg], blocks[BLOCKS / 2]);
	}
	MPI_Finalize();
	return 0;
}
