import { MpiError } from '../../runtime/base/error.ts';

/** The code of the error that an action throws. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof MpiError) return error.code;
    throw error;
  }
  return 'no error';
}
