/** Collective operations at random give what MPICH and Open MPI give, and the same bits by every algorithm. */
import { TWO_NODES } from '../../jobs/job.ts';
import { compareCollective } from './seeds.ts';

compareCollective([0, 40], [1000, 10], [TWO_NODES]);
