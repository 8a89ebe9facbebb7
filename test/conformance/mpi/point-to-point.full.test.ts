/** Nine times as many seeds as point-to-point.test.ts, and by each way of large messages. */
import { SINGLE_COPY } from '../../jobs/job.ts';
import { comparePointToPoint } from './seeds.ts';

comparePointToPoint([40, 360], SINGLE_COPY.slice(1));
