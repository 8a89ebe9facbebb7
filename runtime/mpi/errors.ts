/** What becomes of errors on a communicator (MPI 4.1, 9.3). */
import { inWords } from '../base/bytes.ts';
import { MpiError } from '../base/error.ts';
import { FAILED } from '../messaging/operation.ts';
import { StartedRequest } from './point-to-point/started-request.ts';

/** 'throw': the call throws, or its request or promise fails. 'abort': the whole job ends. */
export type ErrorHandling = 'throw' | 'abort';

/** @throws MpiError ERR_ARG */
export function checkHandling(handling: unknown): void {
  if (handling === 'throw' || handling === 'abort') return;
  throw new MpiError('ERR_ARG', `errors are ${inWords(handling)}: they are 'throw' or 'abort'`);
}

/**
 * Puts a method of its own before each method of an object: what fails in it ends the job. So an object
 * whose errors are thrown pays nothing for the choice.
 */
export function abortOnErrors(object: object, abort: (error: MpiError) => never): void {
  const fail = (error: unknown) => {
    if (error instanceof MpiError) abort(error);
    throw error;
  };
  for (const name of methodsOf(object)) {
    const method = Reflect.get(object, name) as (...words: unknown[]) => unknown;
    const value = (...words: unknown[]) => {
      try {
        return watched(method.apply(object, words), fail);
      } catch (error) {
        return fail(error);
      }
    };
    Object.defineProperty(object, name, { value, configurable: true });
  }
}

/** The methods of its classes do what they did. */
export function throwErrors(object: object): void {
  for (const name of methodsOf(object)) Reflect.deleteProperty(object, name);
}

function methodsOf(object: object): string[] {
  const names = new Set<string>();
  for (
    let type = Object.getPrototypeOf(object);
    type !== Object.prototype;
    type = Object.getPrototypeOf(type)
  )
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(type)))
      if (typeof value === 'function' && name !== 'constructor') names.add(name);
  return [...names];
}

/** A result that comes later fails later. */
function watched(result: unknown, fail: (error: unknown) => void): unknown {
  if (result instanceof StartedRequest)
    result.whenEnded(() => {
      if (result.state === FAILED) fail(result.error);
    });
  else if (result instanceof Promise) return result.catch(fail);
  return result;
}
