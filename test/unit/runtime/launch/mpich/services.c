/* SPDX-License-Identifier: MIT */
/* What dregrun does not do must come back as an error that the program can handle. */
#include <mpi.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	char port[MPI_MAX_PORT_NAME] = "port";
	MPI_Comm children;
	int rank, published, found, spawned, errors[2];

	MPI_Init(&argc, &argv);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	published = MPI_Publish_name("service", MPI_INFO_NULL, port) == MPI_SUCCESS;
	found = MPI_Lookup_name("service", MPI_INFO_NULL, port) == MPI_SUCCESS;
	spawned = MPI_Comm_spawn("true", MPI_ARGV_NULL, 2, MPI_INFO_NULL, 0, MPI_COMM_WORLD,
				 &children, errors) == MPI_SUCCESS;
	printf("published %d found %d spawned %d\n", published, found, spawned);
	MPI_Finalize();
	return 0;
}
