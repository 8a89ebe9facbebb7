/** Nine times as many seeds as collective.test.ts, and by each way of large messages. */
import { SINGLE_COPY, TWO_NODES } from '../../jobs/job.ts';
import { compareCollective } from './seeds.ts';

compareCollective([40, 360], [1010, 40], [...SINGLE_COPY.slice(1), TWO_NODES]);
