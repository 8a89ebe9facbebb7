/** Point-to-point communication at random gives what MPICH and Open MPI give. */
import { comparePointToPoint } from './seeds.ts';

comparePointToPoint([0, 40]);
