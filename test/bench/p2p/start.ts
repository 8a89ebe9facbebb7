/** A job that starts, meets and ends. */
import { MPI } from 'dreg-mpi';

MPI.init();
MPI.world.barrierSync();
MPI.finalize();
