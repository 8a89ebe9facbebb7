/** What a user asks of dregrun. */
import type { Binding } from '../binding.ts';

/** A program of the job, with its ranks: the first program has the lowest ones. */
export interface ProgramSpec {
  ranks: number;
  program: string;
  programArguments: string[];
  /** From -env: variables of these ranks alone. */
  exports: Map<string, string>;
  workingDirectory: string | undefined;
}

/** Whom dregrun's standard input goes to. */
export type InputFor = number | 'all' | 'none';

/** Which ranks a debugger may be attached to. */
export type Debugged = number | 'all';

export interface OutputOptions {
  /** Each line begins with its rank. */
  tag: boolean;
  /** Each line begins with the time. */
  timestamp: boolean;
  /** What ranks write to stderr goes where their stdout goes. */
  merge: boolean;
  /** Where each rank's output goes in place of dregrun's. */
  folder: string | undefined;
}

/** A machine, and how many ranks it may have; undefined: as many as the launcher sees fit. */
export interface HostPlace {
  name: string;
  places: number | undefined;
}

export interface RunCommand {
  kind: 'run';
  /** From --host and --hostfile; empty: this machine. */
  hosts: HostPlace[];
  /** From --ppn. */
  ranksPerHost: number | undefined;
  /** All programs' together. */
  ranks: number;
  programs: ProgramSpec[];
  timeoutSeconds: number | undefined;
  /** From --stuck: say what the ranks wait for once one has waited so long. */
  stuckSeconds: number | undefined;
  input: InputFor;
  output: OutputOptions;
  /** From -x and -genv: variables of all ranks, with their values. */
  exports: Map<string, string>;
  binding: Binding | undefined;
  reportBindings: boolean;
  debug: Debugged | undefined;
  transport: string | undefined;
  /** From --shared-heap and --no-shared-heap; undefined: as DREG_SHARED_HEAP says. */
  sharedHeap: boolean | undefined;
  verbose: boolean;
  /** Say at the end what each rank used and sent. */
  summary: boolean;
  json: boolean;
}

/** `--doctor`: says what works here, with the variables that a job would be given. */
export interface DoctorCommand {
  kind: 'doctor';
  json: boolean;
  transport: string | undefined;
  exports: Map<string, string>;
}

/** `dregrun init`: writes a first program into the current folder. */
export interface InitCommand {
  kind: 'init';
  json: boolean;
}

/** `dregrun build` makes the addon, where there is no package with it. */
export type Command =
  | RunCommand
  | DoctorCommand
  | InitCommand
  | { kind: 'build' }
  | { kind: 'help'; text: string }
  | { kind: 'version' }
  | { kind: 'heap-library' };
