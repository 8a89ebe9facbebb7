/** Where in the program a rank waits. */
import { packageRoot } from '../../../native/addon.ts';

/** Calls that are kept of an awaited operation: those of this package and one or two of the program's. */
const AWAITED_CALLS = 10;
const BLOCKED_CALLS = 30;

/** A place in the program that costs a microsecond to note, and more only where it is told. */
export class CallSite {
  declare readonly stack: string;
}

/** Of an operation that is awaited and not complete. */
export function noteCallSite(): CallSite {
  return capture(AWAITED_CALLS);
}

/** Of a blocking call: the program's calls that are under way, innermost first, one a line. */
export function currentCalls(): string {
  return callsOf(capture(BLOCKED_CALLS));
}

/** Only the program's calls. */
export function callsOf({ stack }: CallSite): string {
  const ours = programFilter();
  return stack.split('\n').slice(1).filter(ours).join('\n');
}

function capture(calls: number): CallSite {
  const before = Error.stackTraceLimit;
  const site = new CallSite();
  try {
    Error.stackTraceLimit = calls;
    Error.captureStackTrace(site, capture);
  } finally {
    Error.stackTraceLimit = before;
  }
  return site;
}

let filter: ((line: string) => boolean) | undefined;

function programFilter(): (line: string) => boolean {
  filter ??= (() => {
    const root = `${packageRoot()}/`;
    const inside = ['runtime/', 'transports/', 'native/', 'dist/runtime/', 'dist/transports/'];
    const own = [...inside, 'dist/native/', 'dist/bundle/'].map((folder) => root + folder);
    return (line) => !line.includes('node:internal') && !own.some((each) => line.includes(each));
  })();
  return filter;
}
