/** Every job with those of its ranks and settings that `npm test` leaves out: 1 to 8 ranks, each setting with each. */
import { launchAll, launches, listJobs } from './run.ts';

launchAll(launches(listJobs(), 'others'));
