/** A job that starts, meets and ends. */
import { MPI } from '../../../runtime/index.ts';

MPI.init();
MPI.world.barrierSync();
MPI.finalize();
