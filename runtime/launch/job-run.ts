/** Runs one job: starts the ranks, serves them PMI, and leaves no process behind. */
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { MpiError } from '../base/error.ts';
import { trafficKey } from '../job/traffic-report.ts';
import type { Wait } from '../messaging/deadlock/waits.ts';
import type { BindingPlan } from './binding.ts';
import type { RunCommand } from './command-line/command.ts';
import { rankEnvironment } from './environment.ts';
import { HandedSignals } from './handed-signals.ts';
import { Keeper } from './keeper.ts';
import {
  type Cause,
  causeOfAbort,
  causeOfExit,
  causeOfNoStart,
  EXIT_FAILED,
  EXIT_TIMEOUT,
  type Outcome,
  type RankOutcome,
  signalStatus,
} from './outcome.ts';
import type { LinePrefix, Output } from './output.ts';
import { PmiServer } from './pmi/server.ts';
import { isExiting, livingGroups, signalGroup } from './process-groups.ts';
import type { RankOutputs } from './rank-outputs.ts';
import type { RankPlan } from './rank-plans.ts';
import { type RankProcess, startRank } from './rank-process.ts';
import { rankSummary } from './summary.ts';
import { describeWaits, readWaits, STUCK_LOOK_MS } from './wait-report.ts';

/** Milliseconds from SIGTERM (or the forwarded signal) to SIGKILL. */
export const KILL_GRACE_MS = 2000;
/** A signal that comes this soon after another one is its echo: npm passes the terminal's Ctrl-C on. */
export const ECHO_MS = 200;
/** How long dregrun waits for a killed process to disappear. */
export const REAP_MS = 1000;
/** How long a rank's last PMI command may arrive after the news of its exit. */
export const PMI_LINGER_MS = 100;
/**
 * Milliseconds of silence after which a pipe is closed that a process still holds open after the ranks have
 * ended.
 */
export const DRAIN_IDLE_MS = 500;
/** Milliseconds between two looks at whether a process group is gone. */
const POLL_MS = 10;

export interface JobPlan {
  command: RunCommand;
  jobId: string;
  /** By rank. */
  ranks: readonly RankPlan[];
  /** What all ranks share. */
  environment: NodeJS.ProcessEnv;
  binding: BindingPlan;
  /** By rank; none is /dev/null. */
  inputs: readonly (number | undefined)[];
  /** The signals that dregrun was started to ignore: its ranks do, too. */
  ignored: readonly number[];
  outputs: RankOutputs;
  /** One rank's output needs no merging. */
  ownOutput: boolean;
  /** For the user, whatever the options. */
  say(message: string): void;
  /** With --verbose. */
  log(message: string): void;
}

/** A rank's stdout or stderr on its way to ours. */
interface Feed {
  source: Readable;
  output: Output;
  ended: Promise<void>;
}

export class JobRun {
  readonly #plan: JobPlan;
  readonly #server: PmiServer;
  readonly #keeper: Keeper;
  readonly #ranks: RankProcess[] = [];
  readonly #feeds: Feed[] = [];
  readonly #outcomes: RankOutcome[] = [];
  /** Process groups in which a process may be alive. */
  readonly #groups = new Set<number>();
  readonly #handed = new HandedSignals();
  /** Ranks that have not ended. */
  readonly #living = new Set<number>();
  /** One for each rank: settled when its exit has been judged. */
  readonly #exits: Promise<void>[] = [];
  #cause: Cause | undefined;
  /** When the end of the job began, and when the ranks get SIGKILL. */
  #endedAt = 0;
  #killAt = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #hurried = false;

  constructor(plan: JobPlan) {
    this.#plan = plan;
    this.#keeper = new Keeper((message) => plan.log(`no keeper: ${message}`));
    this.#server = new PmiServer(
      plan.jobId,
      plan.ranks.map(({ appnum }) => appnum),
      {
        send: (rank, line) => this.#send(rank, line),
        abort: (rank, code) => this.end(causeOfAbort(rank, code), 'SIGTERM'),
        stuck: (message) =>
          this.end({ reason: 'deadlock', status: EXIT_FAILED, message }, 'SIGTERM'),
      },
    );
  }

  /** Resolves when every process of the job is gone and its output was read. */
  async run(): Promise<Outcome> {
    const started = performance.now();
    const timer = this.#startTimeout();
    const stuck = this.#startStuck();
    this.#startAll();
    await Promise.all(this.#exits);
    clearTimeout(timer);
    clearInterval(stuck);
    await this.#sweep();
    await Promise.all(this.#feeds.map((feed) => this.#drain(feed)));
    for (const rank of this.#ranks) rank.pmi.destroy();
    this.#keeper.release();
    return this.#outcome(performance.now() - started);
  }

  /** True where the end came from outside: then dregrun does not wait for a slow reader of its output. */
  get hurried(): boolean {
    return this.#hurried;
  }

  /** Ends the job. Only the first cause counts; later ones are its consequences. */
  end(cause: Cause, signal: NodeJS.Signals): void {
    const outside = ['interrupted', 'timeout', 'output'].includes(cause.reason);
    if (outside) this.#hurried = true;
    if (this.#cause) return;
    this.#cause = cause;
    if (cause.message !== undefined) this.#plan.say(cause.message);
    this.#plan.log(`ending the job: ${cause.reason}, ${signal} to its ranks`);
    this.#handed.close();
    this.#signalAll(signal);
    // A stopped process gets SIGTERM only when it runs again.
    this.#signalAll('SIGCONT');
    this.#endedAt = performance.now();
    this.#killAt = this.#endedAt + KILL_GRACE_MS;
    setTimeout(() => this.#signalAll('SIGKILL'), KILL_GRACE_MS).unref();
  }

  /** A signal to dregrun that means its end: the ranks get the same; a second one kills them. */
  interrupt(signal: NodeJS.Signals): void {
    if (this.#cause && performance.now() - this.#endedAt > ECHO_MS) {
      this.#plan.log(`${signal} once more: SIGKILL to the ranks`);
      this.#signalAll('SIGKILL');
    }
    this.end({ reason: 'interrupted', status: signalStatus(signal) }, signal);
  }

  /** Stops the ranks, or has them go on. */
  pause(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#signalAll(signal);
  }

  /** A signal that is for the ranks alone. */
  hand(signal: NodeJS.Signals): void {
    if (this.#cause === undefined) this.#handed.hand(signal, this.#groups);
  }

  /** Says what the ranks wait for; the job goes on. One report answers signals that come together. */
  report(): void {
    if (performance.now() - this.#reportedAt < ECHO_MS) return;
    this.#reportedAt = performance.now();
    this.#tell(readWaits(this.#plan.jobId, this.#groups));
  }

  #tell(waits: readonly Wait[]): void {
    const { ranks } = this.#plan.command;
    const ended = (rank: number) => !this.#living.has(rank);
    this.#plan.say(`what the ranks do:\n${describeWaits(waits, ranks, ended)}`);
  }

  /** Tells of each standstill once: again when another rank has waited for so long. */
  #startStuck(): NodeJS.Timeout | undefined {
    const seconds = this.#plan.command.stuckSeconds;
    if (seconds === undefined) return undefined;
    const told = new Map<number, number>();
    return setInterval(() => {
      const waits = readWaits(this.#plan.jobId, this.#groups);
      const old = waits.filter(({ since }) => Date.now() - since >= seconds * 1000);
      if (!old.some(({ rank, since }) => told.get(rank) !== since)) return;
      for (const { rank, since } of waits) told.set(rank, since);
      this.#tell(waits);
    }, STUCK_LOOK_MS).unref();
  }

  #startTimeout(): NodeJS.Timeout | undefined {
    const seconds = this.#plan.command.timeoutSeconds;
    if (seconds === undefined) return undefined;
    const message = `the job's time of ${seconds} s is over`;
    return setTimeout(
      () => this.end({ reason: 'timeout', status: EXIT_TIMEOUT, message }, 'SIGTERM'),
      seconds * 1000,
    );
  }

  #startAll(): void {
    for (let rank = 0; rank < this.#plan.command.ranks && !this.#cause; rank++) {
      this.#outcomes[rank] = {
        rank,
        pid: null,
        status: null,
        signal: null,
        initialized: false,
        finalized: false,
      };
      try {
        this.#start(rank);
      } catch (error) {
        if (!(error instanceof MpiError)) throw error;
        this.end(causeOfNoStart(rank, this.#plan.ranks[rank].program.file, error), 'SIGTERM');
      }
    }
  }

  #start(rank: number): void {
    const plan = this.#plan;
    const places = plan.binding.places;
    const place = places.length > 0 ? places[rank % places.length] : undefined;
    const { program, exports, workingDirectory, preload } = plan.ranks[rank];
    const process = startRank({
      rank,
      program,
      environment: rankEnvironment(plan.environment, rank, exports, preload),
      workingDirectory,
      stdin: plan.inputs[rank] ?? null,
      ownOutput: plan.ownOutput,
      merged: plan.command.output.merge,
      ledger: this.#keeper.ledger,
      ignored: plan.ignored,
      cpus: place,
    });
    this.#ranks.push(process);
    this.#outcomes[rank].pid = process.pid;
    this.#groups.add(process.pid);
    this.#living.add(rank);
    plan.log(`rank ${rank}: pid ${process.pid}${place ? `, CPU ${place.join(',')}` : ''}`);
    if (plan.command.reportBindings)
      plan.say(`rank ${rank} ${place ? `is bound to CPU ${place.join(',')}` : 'is not bound'}`);
    this.#exits.push(this.#watch(process));
    this.#connect(process);
  }

  #connect(rank: RankProcess): void {
    const { rank: number, pmi, stdout, stderr } = rank;
    const output = this.#plan.outputs.of(number);
    if (stdout) this.#feed(output.stdout, stdout, output.prefix('stdout'), number);
    if (stderr) this.#feed(output.stderr, stderr, output.prefix('stderr'), number);
    pmi.on('error', () => {}); // Its exit says more.
    pmi.on('data', (bytes: Buffer) => this.#server.receive(number, bytes));
    pmi.on('drain', () => pmi.resume());
  }

  #feed(output: Output, source: Readable, prefix: LinePrefix | undefined, rank: number): void {
    // Who has the only stdin may prompt.
    const prompts = this.#plan.command.input === rank;
    this.#feeds.push({ source, output, ended: output.attach(source, prefix, prompts) });
  }

  #send(rank: number, line: string): void {
    const { pmi } = this.#ranks[rank] ?? {};
    if (!pmi || pmi.destroyed || !pmi.writable) return;
    // A rank that sends commands without reading the answers is not read until it reads them.
    if (!pmi.write(line, 'latin1')) pmi.pause();
  }

  /** Settles when the rank has ended and its end was judged. */
  async #watch({ rank, pid, ended, used, pmi }: RankProcess): Promise<void> {
    const started = performance.now();
    const outcome = Object.assign(this.#outcomes[rank], await ended);
    const milliseconds = performance.now() - started;
    this.#living.delete(rank);
    // The rank's last command, such as an abort, may still be on the way.
    await closed(pmi, PMI_LINGER_MS);
    outcome.initialized = this.#server.initialized(rank);
    outcome.finalized = this.#server.finalized(rank);
    if (this.#plan.command.summary) {
      const traffic = this.#server.valueOf(trafficKey(rank));
      outcome.summary = rankSummary(milliseconds, used, traffic);
    }
    const cause = causeOfExit(await this.#culprit(outcome));
    if (cause) this.end(cause, 'SIGTERM');
    this.#server.ended(rank);
    this.#forgetEmptyGroups([pid]);
  }

  /** A rank that is killed takes its time to end; another one may notice, and fail, before. */
  async #culprit(outcome: RankOutcome): Promise<RankOutcome> {
    if (outcome.signal !== null || outcome.status === 0) return outcome;
    const going = this.#ranks.filter(({ rank, pid }) => this.#living.has(rank) && isExiting(pid));
    await Promise.all(going.map(({ ended }) => ended));
    return this.#outcomes.find(({ signal }) => signal !== null) ?? outcome;
  }

  #signalAll(signal: NodeJS.Signals): void {
    for (const group of this.#groups) signalGroup(group, signal);
  }

  /** An empty group is forgotten, because from then on its number may belong to another group. */
  #forgetEmptyGroups(groups: number[]): void {
    const living = livingGroups(groups);
    for (const group of groups) {
      if (living.has(group)) continue;
      this.#groups.delete(group);
      this.#keeper.forget(group);
    }
  }

  /** Ends processes that the ranks left behind in their process groups. */
  async #sweep(): Promise<void> {
    if (this.#groups.size > 0 && !this.#cause) {
      this.#signalAll('SIGTERM');
      this.#signalAll('SIGCONT');
      this.#killAt = performance.now() + KILL_GRACE_MS;
    }
    let killed = false;
    while (this.#groups.size > 0) {
      this.#forgetEmptyGroups([...this.#groups]);
      if (this.#groups.size === 0) break;
      if (performance.now() >= this.#killAt) {
        if (killed) break;
        this.#signalAll('SIGKILL');
        killed = true;
        this.#killAt += REAP_MS;
      }
      await sleep(POLL_MS);
    }
    if (this.#groups.size > 0)
      this.#plan.log(`process groups ${[...this.#groups].join(' ')} do not end`);
  }

  /**
   * Reads a rank's pipe to its end. Something that left the rank's process group may hold it open:
   * then silence ends it, though not a silence that a slow reader of ours causes.
   */
  async #drain({ source, output, ended }: Feed): Promise<void> {
    let heard = performance.now();
    source.on('data', () => {
      heard = performance.now();
    });
    const watch = setInterval(() => {
      if (output.blocked && !this.#hurried) heard = performance.now();
      if (performance.now() - heard > DRAIN_IDLE_MS) source.destroy();
    }, POLL_MS);
    await ended;
    clearInterval(watch);
  }

  #outcome(milliseconds: number): Outcome {
    const cause = this.#cause ?? { reason: 'finished' as const, status: 0 };
    return {
      job: this.#plan.jobId,
      program: this.#plan.command.programs.map(({ program }) => program).join(' : '),
      size: this.#plan.command.ranks,
      reason: cause.reason,
      status: cause.status,
      rank: cause.rank ?? null,
      message: cause.message ?? null,
      milliseconds: Math.round(milliseconds),
      ranks: this.#outcomes,
    };
  }
}

/** Waits for a stream's end, at most this long. */
async function closed(stream: Readable, milliseconds: number): Promise<void> {
  if (stream.closed) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    stream.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
