/* SPDX-License-Identifier: MIT */
/*
 * The same as rank.ts for another MPI library.
 *
 * usage: mpi pingpong|allreduce BYTES...    prints {"bytes","ns"}: half round trips, or calls
 */
#include "timing.h"
#include <mpi.h>
#include <stdio.h>
#include <string.h>

static int rank;

static void run(int reduce, char *mine, char *other, int bytes, int rounds)
{
	MPI_Comm world = MPI_COMM_WORLD;

	for (; rounds > 0; rounds--) {
		if (reduce) {
			MPI_Allreduce(mine, other, bytes / 8, MPI_DOUBLE, MPI_SUM, world);
		} else if (rank == 0) {
			MPI_Send(mine, bytes, MPI_BYTE, 1, 0, world);
			MPI_Recv(other, bytes, MPI_BYTE, 1, 0, world, MPI_STATUS_IGNORE);
		} else {
			MPI_Recv(other, bytes, MPI_BYTE, 0, 0, world, MPI_STATUS_IGNORE);
			MPI_Send(mine, bytes, MPI_BYTE, 0, 0, world);
		}
	}
}

int main(int argc, char **argv)
{
	int reduce;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	reduce = strcmp(argv[1], "allreduce") == 0;
	for (int i = 2; i < argc; i++) {
		int bytes = atoi(argv[i]), done = 0, rounds = 0;
		char *mine = calloc(1, bytes), *other = calloc(1, bytes);
		double blocks[BLOCKS], took = 0;

		while (rounds == 0) {
			double start = milliseconds();

			run(reduce, mine, other, bytes, 1);
			took += milliseconds() - start;
			done++;
			if (took >= WARM_UP_MS)
				rounds = rounds_of(done, took);
			MPI_Bcast(&rounds, 1, MPI_INT, 0, MPI_COMM_WORLD);
		}
		for (int block = 0; block < BLOCKS; block++) {
			MPI_Barrier(MPI_COMM_WORLD);
			double start = milliseconds();

			run(reduce, mine, other, bytes, rounds);
			blocks[block] = (milliseconds() - start) * 1e6 / rounds / (reduce ? 1 : 2);
		}
		if (rank == 0)
			printf("{\"bytes\": %d, \"ns\": %.0f}\n", bytes, median(blocks));
		fflush(stdout);
		free(mine);
		free(other);
	}
	MPI_Finalize();
	return 0;
}
