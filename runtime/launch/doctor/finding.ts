/** What the doctor finds out about a part of the package, and of the machine below it. */
import { MpiError, withoutAddress } from '../../base/error.ts';

/** 'missing': jobs do without; 'broken': a job as the environment asks for it does not work. */
export type State = 'works' | 'missing' | 'broken';

export interface Finding {
  part: string;
  state: State;
  /** What is there, or why it is not. */
  says: string;
  /** What to do where it is not there: one line. */
  remedy?: string;
  /** The same for programs. */
  facts?: Record<string, unknown>;
}

export interface Group {
  name: string;
  findings: Finding[];
}

/** What to say of a part that does not work. */
export interface Lack {
  /** Whether a job needs it. */
  needed?: boolean;
  remedy: string | ((error: MpiError) => string);
}

export const works = (
  part: string,
  says: string,
  facts: Record<string, unknown> = {},
): Finding => ({ part, state: 'works', says, facts });

export const lacks = (
  part: string,
  says: string,
  { needed, remedy }: Lack & { remedy: string },
): Finding => ({
  part,
  state: needed ? 'broken' : 'missing',
  says,
  remedy,
});

/** The finding of `probe`. Where `probe` throws an error of the package, the part does not work. */
export function probed(part: string, lack: Lack, probe: () => Finding): Finding {
  try {
    return probe();
  } catch (error) {
    if (!(error instanceof MpiError)) throw error;
    const { remedy } = lack;
    // An environment variable with a wrong value stops the job that reads it.
    const needed = lack.needed || error.code === 'ERR_ARG';
    return {
      ...lacks(part, withoutAddress(error.message), {
        needed,
        remedy: typeof remedy === 'string' ? remedy : remedy(error),
      }),
      facts: { code: error.code, ...(error.errno !== undefined && { errno: error.errno }) },
    };
  }
}
