/** What becomes of errors on a communicator (MPI 4.1, 9.3). */
import { inWords } from '../base/bytes.ts';
import { MpiError } from '../base/error.ts';
import { FAILED } from '../messaging/operation.ts';
import { Message } from './point-to-point/message.ts';
import { Objects } from './point-to-point/objects/objects.ts';
import { StartedRequest } from './point-to-point/started-request.ts';

/** 'throw': the call throws, or its request or promise fails. 'abort': the whole job ends. */
export type ErrorHandling = 'throw' | 'abort';

/** @throws MpiError ERR_ARG */
export function checkHandling(handling: unknown): void {
  if (handling === 'throw' || handling === 'abort') return;
  throw new MpiError('ERR_ARG', `errors are ${inWords(handling)}: they are 'throw' or 'abort'`);
}

type Fail = (error: unknown) => never;
type Method = (...words: unknown[]) => unknown;

/**
 * Puts a method of its own before each method of an object: what fails in it, or in what it gives (a request, a
 * loop, a message), is told before it is thrown. So an object whose errors are thrown pays nothing for the choice.
 */
export function watchErrors(object: object, told: (error: MpiError) => void): void {
  wrap(object, (error) => {
    if (error instanceof MpiError) told(error);
    throw error;
  });
}

/** The methods of its classes do what they did. */
export function throwErrors(object: object): void {
  for (const name of methodsOf(object)) Reflect.deleteProperty(object, name);
}

function wrap(object: object, fail: Fail): void {
  for (const name of methodsOf(object)) {
    const method = Reflect.get(object, name) as Method;
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

function methodsOf(object: object): string[] {
  const names = new Set<string>();
  for (let type = object; type !== Object.prototype; type = Object.getPrototypeOf(type))
    for (const [name, { value, configurable }] of Object.entries(
      Object.getOwnPropertyDescriptors(type),
    ))
      if (typeof value === 'function' && name !== 'constructor' && configurable) names.add(name);
  return [...names];
}

/** A result that comes later fails later, and what is made from the object fails as it does. */
function watched(result: unknown, fail: Fail): unknown {
  if (result instanceof StartedRequest)
    result.whenEnded(() => {
      if (result.state === FAILED) fail(result.error);
    });
  else if (result instanceof Promise) return result.then((value) => watched(value, fail), fail);
  else if (result instanceof Message || result instanceof Objects) wrap(result, fail);
  else if (typeof result === 'object' && result !== null) {
    const { next, start, value } = result as { next?: unknown; start?: unknown; value?: unknown };
    // A loop over messages, a persistent operation; what a loop gives.
    if (typeof next === 'function' || typeof start === 'function') wrap(result, fail);
    else if (value instanceof Message) wrap(value, fail);
  }
  return result;
}
