/* SPDX-License-Identifier: MIT */
/*
 * Names are published and found; what dregrun does not do comes back as an error
 * that the program can handle.
 */
#include <mpi.h>
#include <stdio.h>
#include <string.h>

static int finds(const char *expected)
{
	char port[MPI_MAX_PORT_NAME] = "";

	return MPI_Lookup_name("service", MPI_INFO_NULL, port) == MPI_SUCCESS &&
	       strcmp(port, expected) == 0;
}

int main(int argc, char **argv)
{
	MPI_Comm children;
	int published, found, removed, again, spawned, errors[2];

	MPI_Init(&argc, &argv);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	published = MPI_Publish_name("service", MPI_INFO_NULL, "port#1$") == MPI_SUCCESS;
	found = finds("port#1$");
	removed = MPI_Unpublish_name("service", MPI_INFO_NULL, "port#1$") == MPI_SUCCESS;
	again = finds("port#1$");
	spawned = MPI_Comm_spawn("true", MPI_ARGV_NULL, 2, MPI_INFO_NULL, 0, MPI_COMM_WORLD,
				 &children, errors) == MPI_SUCCESS;
	printf("published %d found %d removed %d found %d spawned %d\n", published, found,
	       removed, again, spawned);
	MPI_Finalize();
	return 0;
}
