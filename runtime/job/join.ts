/** How a process learns which rank of which job it is. */
import type { Job } from './job.ts';
import { joinByPmi } from './pmi-job.ts';
import { joinByPmix } from './pmix-job.ts';
import { SingletonJob } from './singleton-job.ts';
import { dropHeapLibrary, startsByItself, whichLauncher } from './which-launcher.ts';

/**
 * Joins the job that this process was started in, or a job of its own where no launcher started it.
 *
 * The variables by which the launcher says so are taken out of `process.env`, and the shared heap's library out of
 * LD_PRELOAD: what this rank starts is no rank of the job.
 * @throws MpiError ERR_LAUNCH where the environment is malformed or the launcher does not answer; ERR_ARG
 *   for the value of DREG_LAUNCHER
 */
export function joinJob(environment: NodeJS.ProcessEnv = process.env): Job {
  dropHeapLibrary(environment);
  const launcher = whichLauncher(environment);
  if (launcher === 'none') return new SingletonJob();
  const job = launcher === 'pmi1' ? joinByPmi(environment) : joinByPmix(environment);
  startsByItself(environment);
  return job;
}
