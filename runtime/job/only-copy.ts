/** A process is one rank, however many copies of this package its programs and libraries bring. */
import { packageRoot } from '../../native/addon.ts';
import { MpiError } from '../base/error.ts';

/** On `process`, which all copies have in common: the folder of the one that joined the job. */
const JOINED = Symbol.for('dreg-mpi.joined');

const shared = process as unknown as { [JOINED]?: string };

/** @throws MpiError ERR_INITIALIZED where another copy has joined: for this one there is no rank left */
export function checkOnlyCopy(): void {
  const first = shared[JOINED];
  if (first === undefined) return;
  const here = packageRoot();
  const which = first === here ? 'was loaded a second time' : `is here from ${here}, too`;
  throw new MpiError(
    'ERR_INITIALIZED',
    `this process joined its job by the dreg-mpi in ${first}, which ${which}: the two know nothing of each other, and a process is one rank. Keep one copy: "npm ls dreg-mpi" shows them, "npm dedupe" joins equal versions, and a library names dreg-mpi in its peerDependencies`,
  );
}

export function noteJoined(): void {
  Object.defineProperty(shared, JOINED, { value: packageRoot(), configurable: true });
}
