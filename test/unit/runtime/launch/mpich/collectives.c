/* SPDX-License-Identifier: MIT */
/* Collectives over the world and over halves of it; universe size and application number. */
#include <mpi.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	int rank, size, sum, half, flag, *universe, *app;
	int all[64];
	MPI_Comm halves;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	MPI_Allgather(&rank, 1, MPI_INT, all, 1, MPI_INT, MPI_COMM_WORLD);
	MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &halves);
	MPI_Allreduce(&rank, &half, 1, MPI_INT, MPI_SUM, halves);
	MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_UNIVERSE_SIZE, &universe, &flag);
	MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_APPNUM, &app, &flag);
	MPI_Barrier(MPI_COMM_WORLD);
	printf("sum %d last %d half %d universe %d app %d\n", sum, all[size - 1], half, *universe,
	       *app);
	MPI_Finalize();
	return 0;
}
