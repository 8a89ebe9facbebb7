#!/bin/sh
':' //; while read -r k v; do case "$k$v" in SigIgn:*[13579bdf]) export DREG_NOHUP=1;; esac; done 2>/dev/null </proc/$$/status; exec node "$0" "$@"
import { a as errnoName, i as check, n as packageRoot, r as MpiError, t as addon } from "./addon-B8Gf-ip1.js";
import { a as HEADER, d as controlOffset, i as CONTROL_BYTES, l as WAIT_TEXT, n as mayBind, o as PAGE_BYTES, r as planBinding, t as allowedCpus, u as WAIT_TEXT_BYTES } from "./binding-DbsTkscx.js";
import { accessSync, closeSync, constants, fstatSync, openSync, readFileSync, readSync, readdirSync, readlinkSync, statSync, writeSync } from "node:fs";
import { constants as constants$1 } from "node:os";
import { extname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { setTimeout as setTimeout$1 } from "node:timers/promises";
import { Socket } from "node:net";
import { isatty } from "node:tty";
// dist/native/random.js
/**
* `count` bytes that nobody can guess, as hexadecimal digits. From the kernel, because loading
* node:crypto takes longer than everything else that a rank does to join its job.
*/
function randomHex(count) {
	const bytes = Buffer.alloc(count);
	const fd = openSync("/dev/urandom", "r");
	readSync(fd, bytes);
	closeSync(fd);
	return bytes.toString("hex");
}
// dist/runtime/launch/cli.js
/** dregrun's command line. */
/** More ranks than this on one machine are a typing error. Each rank costs dregrun three descriptors. */
const RANKS_LIMIT = 1024;
const HELP = `usage: dregrun [options] program [arguments]

Starts the ranks of an MPI job on this machine. A program whose name ends in .js, .mjs or .cjs runs
with this Node; anything else is run as it is. What follows the program belongs to it.

  -n, -np, --np N       number of ranks (default 1)
      --timeout SECONDS end the job after this time, with status 124
                        (default: MPIEXEC_TIMEOUT, if it is set)
      --stuck SECONDS   say on stderr who waits for whom, and where in the program, once a
                        rank has waited so long; the job goes on (so does SIGUSR2 to dregrun)
      --tag-output      start each line of output with its rank
  -x  VAR[=VALUE]       give the ranks this variable; repeatable
      --wdir DIR        start the ranks in this directory
      --bind-to WHAT    core: each rank on a core of its own; none: on all
                        (default: core for 2 or more ranks when there are as many cores)
      --transport NAME  the transport between ranks (DREG_TRANSPORT)
      --verbose         say on stderr what is done
      --json            end with the job's outcome on stderr, as one JSON object
      --doctor          say what works on this machine, what is missing, what to do
                        (with --json: as one JSON object on stdout)
      --help, --version
  --                    the next word is the program

The status is the first failing rank's (128 + its signal's number), 0 when all went well.
`;
const OPTIONS = {
	np: {
		type: "string",
		short: "n"
	},
	timeout: { type: "string" },
	stuck: { type: "string" },
	x: {
		type: "string",
		short: "x",
		multiple: true
	},
	wdir: { type: "string" },
	"bind-to": { type: "string" },
	transport: { type: "string" },
	"tag-output": { type: "boolean" },
	verbose: { type: "boolean" },
	json: { type: "boolean" },
	doctor: { type: "boolean" },
	help: {
		type: "boolean",
		short: "h"
	},
	version: { type: "boolean" }
};
/** @throws MpiError ERR_ARG with a message for the user. */
function parseArguments(words, environment = process.env) {
	const args = words.map((word) => word === "-np" ? "--np" : word);
	const { tokens } = parseArgs({
		args,
		options: OPTIONS,
		strict: false,
		tokens: true
	});
	const end = tokens.find(({ kind }) => kind !== "option");
	const values = valuesOf(args.slice(0, end?.index ?? words.length));
	if (values.help) return { kind: "help" };
	if (values.version) return { kind: "version" };
	const shared = {
		json: values.json ?? false,
		transport: transportOf(values.transport),
		exports: new Map(values.x?.map((text) => exportOf(text, environment)))
	};
	const terminated = end?.kind === "option-terminator";
	const rest = end ? words.slice(end.index + (terminated ? 1 : 0)) : [];
	if (values.doctor) {
		if (rest.length > 0) throw usage(`--doctor runs no program: leave out "${rest[0]}"`);
		return {
			kind: "doctor",
			...shared
		};
	}
	const [program, ...programArguments] = rest;
	if (!program) throw usage("there is no program to run: dregrun [options] program [arguments]");
	if (!terminated && programArguments.includes(":")) throw usage(SECOND_PROGRAM);
	return {
		kind: "run",
		...shared,
		ranks: ranksOf(values.np ?? "1"),
		timeoutSeconds: timeoutOf(values.timeout, environment.MPIEXEC_TIMEOUT),
		stuckSeconds: values.stuck === void 0 ? void 0 : secondsOf("--stuck ", values.stuck),
		tagOutput: values["tag-output"] ?? false,
		workingDirectory: values.wdir,
		binding: bindingOf(values["bind-to"]),
		verbose: values.verbose ?? false,
		program,
		programArguments
	};
}
const SECOND_PROGRAM = "\":\" begins a second program, and a job is one program for now; if \":\" is an argument of the program, write -- before the program";
function valuesOf(args) {
	try {
		return parseArgs({
			args,
			options: OPTIONS
		}).values;
	} catch (error) {
		throw usage(error.message);
	}
}
function ranksOf(text) {
	const ranks = /^[0-9]+$/.test(text) ? Number(text) : 0;
	if (ranks < 1 || ranks > 1024) throw usage(`-n ${text}: the number of ranks is 1 to ${RANKS_LIMIT}`);
	return ranks;
}
/**
* MPICH's variable holds whole seconds; 0 or less is no limit. The option wins over the variable.
* @environment MPIEXEC_TIMEOUT | seconds | ends the job after this time, unless `--timeout` says otherwise
*/
function timeoutOf(option, variable) {
	if (option === void 0 && (!variable || /^(0+|-[0-9]+)$/.test(variable))) return void 0;
	return secondsOf(option === void 0 ? "MPIEXEC_TIMEOUT=" : "--timeout ", option ?? variable ?? "");
}
function secondsOf(name, text) {
	const seconds = Number(text);
	if (!/^[0-9.]+$/.test(text) || !(seconds > 0) || seconds > 2147483) throw usage(`${name}${text}: it must be a number of seconds above 0`);
	return seconds;
}
function bindingOf(text) {
	if (text === void 0 || text === "core" || text === "none") return text;
	throw usage(`--bind-to ${text}: it must be core or none`);
}
function transportOf(name) {
	if (name === "") throw usage("--transport: the name is empty");
	return name;
}
function exportOf(text, environment) {
	const [, name, , given] = /^([A-Za-z_][A-Za-z0-9_]*)(=(.*))?$/s.exec(text) ?? [];
	if (name === void 0) throw usage(`-x ${text}: it must be VAR or VAR=VALUE`);
	if (name.startsWith("PMI_")) throw usage(`-x ${name}: dregrun sets this variable itself; leave it out`);
	const value = given ?? environment[name];
	if (value === void 0) throw usage(`-x ${name}: this variable is not set here; give it a value: -x ${name}=...`);
	return [name, value];
}
function usage(message) {
	return new MpiError("ERR_ARG", message);
}
// dist/runtime/launch/environment.js
/** Variables of another launcher, or of the job that dregrun itself runs in, are wrong for these ranks. */
const FOREIGN = /^(PMI_|PMIX_|HYDI_|HYDRA_|MPI_LOCAL|OMPI_COMM_WORLD_)/;
const OURS = [
	"DREG_JOB_ID",
	"DREG_LAUNCHER_PID",
	"DREG_CORES",
	"DREG_BIND",
	"DREG_COLUMNS"
];
/**
* The environment that all ranks share: dregrun's own, cleaned, with the job's variables.
* @environment PMI_FD | the descriptor of the PMI connection: 3
* @environment PMI_SIZE | the number of ranks
* @environment MPI_LOCALNRANKS | the number of ranks on this machine, by MPICH's name
* @environment DREG_JOB_ID | the job's name, unique on this machine; also the name of the PMI key-value
*   space
* @environment DREG_LAUNCHER_PID | dregrun's pid
* @environment DREG_CORES | cores that the whole job shares
* @environment DREG_BIND | whether the ranks are bound: `core` or `none`
* @environment DREG_COLUMNS | width of the terminal that shows the ranks' output, if one does
* @environment DREG_TRANSPORT | the value of `--transport`, if there is one
*/
function jobEnvironment(base, job) {
	const environment = {};
	for (const [name, value] of Object.entries(base)) if (!FOREIGN.test(name) && !OURS.includes(name)) environment[name] = value;
	for (const [name, value] of job.exports) environment[name] = value;
	environment.PMI_FD = String(3);
	environment.PMI_SIZE = String(job.ranks);
	environment.MPI_LOCALNRANKS = String(job.ranks);
	environment.DREG_JOB_ID = job.jobId;
	environment.DREG_LAUNCHER_PID = String(process.pid);
	environment.DREG_CORES = String(job.cores);
	environment.DREG_BIND = job.binding;
	if (job.transport !== void 0) environment.DREG_TRANSPORT = job.transport;
	if (job.columns !== void 0) environment.DREG_COLUMNS = String(job.columns);
	return environment;
}
/**
* All ranks are on this machine: a rank's number here, by MPICH's name for it, is its rank.
* @environment PMI_RANK | the rank
* @environment MPI_LOCALRANKID | the rank, by MPICH's name for it within a machine
*/
function rankEnvironment(shared, rank) {
	return {
		...shared,
		PMI_RANK: String(rank),
		MPI_LOCALRANKID: String(rank)
	};
}
// dist/runtime/launch/process-groups.js
/** Process groups: signals to them, and whether anything in them is alive. */
/** Sends a signal to a whole group. False: no process of the group is left, not even a zombie. */
function signalGroup(group, signal) {
	try {
		process.kill(-group, signal);
		return true;
	} catch (error) {
		return error.code === "EPERM";
	}
}
/**
* The groups in which a process runs. Zombies do not count: the init process collects orphans, and in a
* container it may do so late or never.
*/
function livingGroups(groups) {
	const candidates = new Set([...groups].filter((group) => signalGroup(group, 0)));
	if (candidates.size === 0) return candidates;
	const members = membersOf(candidates);
	return members === null ? candidates : new Set(members.keys());
}
/** The processes of each group in which something runs; null without /proc. */
function membersOf(groups) {
	const wanted = new Set(groups);
	const members = /* @__PURE__ */ new Map();
	let processes;
	try {
		processes = readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name));
	} catch {
		return null;
	}
	for (const pid of processes) {
		const group = groupOfLiving(pid);
		if (group === void 0 || !wanted.has(group)) continue;
		const known = members.get(group);
		if (known === void 0) members.set(group, [Number(pid)]);
		else known.push(Number(pid));
	}
	return members;
}
/** The process group of a process that is no zombie. */
function groupOfLiving(pid) {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
		const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
		return state === "Z" || state === "X" ? void 0 : Number(group);
	} catch {
		return;
	}
}
// dist/runtime/launch/handed-signals.js
/**
* Signals for the ranks alone, such as SIGUSR1. They end nothing. A process gets such a signal if it
* handles it. A rank that does not handle it yet gets it once it does, because Node has its handlers only
* some time after its start.
*/
/** How long a signal is held for a rank that does not handle it yet. */
const SIGNAL_HOLD_MS = 1e4;
/** Milliseconds between two looks at whether a rank handles the signal. */
const LOOK_MS = 20;
var HandedSignals = class {
	#held = [];
	#timer;
	hand(signal, groups) {
		const until = performance.now() + SIGNAL_HOLD_MS;
		for (const group of groups) if (!this.#held.some((one) => one.group === group && one.signal === signal)) this.#held.push({
			group,
			signal,
			until
		});
		this.#look();
	}
	/** Forgets what is held: the job ends. */
	close() {
		this.#held = [];
		clearInterval(this.#timer);
		this.#timer = void 0;
	}
	#look() {
		const members = membersOf(this.#held.map(({ group }) => group));
		const now = performance.now();
		this.#held = this.#held.filter(({ group, signal, until }) => now < until && signalGroup(group, 0) && !deliver(members?.get(group), group, signal));
		if (this.#held.length === 0) this.close();
		else this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
	}
};
/** Whether a process of the group has handled it, or ignores it. */
function deliver(members, group, signal) {
	if (members === void 0) return signalGroup(group, signal);
	let heard = false;
	for (const pid of members) {
		const answer = dispositionOf(pid, signal);
		if (answer === "default") continue;
		heard = true;
		if (answer === "handled") signalProcess(pid, signal);
	}
	return heard;
}
/** @see proc(5), SigCgt and SigIgn of /proc/pid/status */
function dispositionOf(pid, signal) {
	let status;
	try {
		status = readFileSync(`/proc/${pid}/status`, "latin1");
	} catch {
		return "default";
	}
	const bit = 1n << BigInt(constants$1.signals[signal] - 1);
	const has = (field) => (BigInt(`0x${new RegExp(`^${field}:\\s+(\\w+)`, "m").exec(status)?.[1] ?? "0"}`) & bit) !== 0n;
	return has("SigCgt") ? "handled" : has("SigIgn") ? "ignored" : "default";
}
function signalProcess(pid, signal) {
	try {
		process.kill(pid, signal);
	} catch {}
}
// dist/native/spawn.js
/** spawn.cc: child processes that lead sessions of their own. */
const spawnAddon = () => addon();
// dist/runtime/launch/child.js
/**
* Child processes of dregrun. Between fork and exec a child enters the keeper's ledger, and asks the kernel
* to end it with its parent. node:child_process has no place for that.
*/
const TIMER_MAX_MS = 2 ** 31 - 1;
/** waitpid(2)'s status: the signal's number in the lowest bits, the exit status above. */
const SIGNAL_MASK = 127;
const STATUS_SHIFT = 8;
const STATUS_MASK = 255;
const running = /* @__PURE__ */ new Map();
/** Keeps the event loop alive while children run: the handler of a signal does not. */
let hold;
let look$1;
/** @throws MpiError ERR_SYSTEM with the call that failed, such as `execve`, and its errno. */
function startChild(options) {
	const nothing = openSync("/dev/null", "r+");
	let answer;
	try {
		answer = spawnAddon().processSpawn({
			...options,
			environment: Object.entries(options.environment).map(([name, value]) => `${name}=${value}`),
			fds: Int32Array.from(options.fds, (fd) => fd ?? nothing)
		});
	} finally {
		closeSync(nothing);
	}
	if (typeof answer !== "number") throw failureOf(...answer);
	const pid = check(answer, "vfork", "starting a process");
	return {
		pid,
		ended: watch(pid)
	};
}
function failureOf(syscall, answer) {
	const errno = -answer;
	return new MpiError("ERR_SYSTEM", `${syscall} failed with ${errnoName(errno)}`, {
		errno,
		syscall
	});
}
function watch(pid) {
	if (hold === void 0) {
		process.on("SIGCHLD", reap);
		hold = setInterval(() => {}, TIMER_MAX_MS);
	}
	if (look$1 === void 0) look$1 = setImmediate(reap);
	return new Promise((resolve) => running.set(pid, resolve));
}
function reap() {
	look$1 = void 0;
	for (const [pid, resolve] of running) {
		const answer = spawnAddon().processReap(pid);
		if (answer === 0) continue;
		running.delete(pid);
		resolve(answer < 0 ? {
			status: null,
			signal: null
		} : endOf(answer));
	}
	if (running.size > 0) return;
	clearInterval(hold);
	hold = void 0;
	process.off("SIGCHLD", reap);
}
function endOf(answer) {
	const number = answer & SIGNAL_MASK;
	if (number === 0) return {
		status: answer >> STATUS_SHIFT & STATUS_MASK,
		signal: null
	};
	return {
		status: null,
		signal: Object.entries(constants$1.signals).find(([, value]) => value === number)?.[0] ?? `SIG${number}`
	};
}
// dist/runtime/launch/keeper.js
/**
* The keeper: a shell of a few lines that outlives dregrun when dregrun cannot clean up (SIGKILL),
* and then kills the ranks' process groups, grandchildren included.
*
* It knows them by its *ledger*, a pipe. A rank's process writes `+ GROUP` into it itself, before it
* executes its program, and dregrun writes `- GROUP` when nothing of the group is left. Its end comes
* when dregrun has ended and no rank is on its way between fork and exec: so there is no moment at
* which a program of the job runs and the keeper could miss it. A job's lines fit in the pipe
* ({@link RANKS_LIMIT} twice, 12 bytes each), so that none is lost if the keeper is stopped.
*/
const SHELL = "/bin/sh";
/** Each group stands as ` -GROUP ` in the list. */
const SCRIPT = `
groups=' '
while read -r sign group; do
  case "$sign$groups" in
    +*) groups="$groups-$group " ;;
    -*" -$group "*) groups="\${groups%% -$group *} \${groups#* -$group }" ;;
  esac
done
[ "$groups" = ' ' ] || kill -KILL $groups
`;
var Keeper = class {
	/** The pipe's end that is written; -1 where there is no keeper. */
	#ledger = -1;
	/**
	* Starts the keeper, before any rank. `failed` is told why there is none; the job then runs without it.
	*/
	constructor(failed) {
		const ends = addon().pipeCreate();
		if (typeof ends === "number") {
			failed(`pipe2 failed with ${errnoName(-ends)}`);
			return;
		}
		const [read, write] = ends;
		try {
			startChild({
				words: [
					SHELL,
					"-c",
					SCRIPT,
					"dregrun-keeper"
				],
				environment: {},
				directory: "/",
				fds: [
					read,
					null,
					null
				],
				diesWithParent: false,
				ignored: []
			});
			this.#ledger = write;
		} catch (error) {
			closeSync(write);
			failed(`${SHELL}: ${error.message}`);
		} finally {
			closeSync(read);
		}
	}
	/** Where a rank's process enters its group. */
	get ledger() {
		return this.#ledger;
	}
	/** No process of the group is left. From now on its number may belong to another group. */
	forget(group) {
		if (this.#ledger < 0) return;
		try {
			writeSync(this.#ledger, `- ${group}\n`);
		} catch {
			this.release();
		}
	}
	/** The job has ended. The keeper ends too, and kills the groups that it still knows. */
	release() {
		if (this.#ledger < 0) return;
		closeSync(this.#ledger);
		this.#ledger = -1;
	}
};
const SCRIPT_EXTENSIONS = [
	".js",
	".mjs",
	".cjs"
];
const TYPESCRIPT_EXTENSIONS = [
	".ts",
	".mts",
	".cts"
];
/** Where the C library looks without a PATH. */
const DEFAULT_PATH = "/bin:/usr/bin";
/**
* Finds the program from where dregrun was started, whatever --wdir says. A script runs with this Node, and
* is looked for in the current directory, not in PATH.
*/
function findProgram(program, words, path) {
	if (isScript(program)) {
		const file = resolve(program);
		const problem = problemOf(program, look(file, constants.R_OK), "read");
		if (problem) return problem;
		if (!SCRIPT_EXTENSIONS.includes(extname(program)) && !runsTypeScript) return typeScript(program);
		return {
			file: process.execPath,
			words: [file, ...words]
		};
	}
	if (program.includes("/")) {
		const file = resolve(program);
		return problemOf(program, look(file, constants.X_OK), "execute") ?? {
			file,
			words: [...words]
		};
	}
	return searchPath(program, words, path ?? DEFAULT_PATH);
}
/** True where a name is that of a program for this Node. */
function isScript(program) {
	const extension = extname(program);
	return SCRIPT_EXTENSIONS.includes(extension) || TYPESCRIPT_EXTENSIONS.includes(extension);
}
/** Node 22.18 and newer drop the types themselves. */
const runsTypeScript = Boolean(process.features.typescript);
function typeScript(program) {
	const advice = `compile it, or name a loader: dregrun -n 2 -- node --import some-loader ${program}`;
	return {
		status: 126,
		message: `${program}: Node ${process.versions.node} does not run TypeScript; ${advice}`
	};
}
function searchPath(program, words, path) {
	let worst = "missing";
	for (const folder of path.split(":")) {
		const file = resolve(join(folder === "" ? "." : folder, program));
		const seen = look(file, constants.X_OK);
		if (seen === "usable") return {
			file,
			words: [...words]
		};
		if (seen === "unusable") worst = seen;
	}
	if (worst === "missing") return {
		status: 127,
		message: `${program}: no such program in PATH${look(resolve(program), constants.F_OK) === "usable" ? `; for the one in this folder write ./${program}` : ""}`
	};
	return problemOf(program, worst, "execute");
}
function look(file, mode) {
	try {
		if (statSync(file).isDirectory()) return "directory";
	} catch (error) {
		const code = error.code;
		return code === "ENOENT" || code === "ENOTDIR" ? "missing" : "unusable";
	}
	try {
		accessSync(file, mode);
	} catch {
		return "unusable";
	}
	return "usable";
}
function problemOf(program, seen, verb) {
	switch (seen) {
		case "usable": return;
		case "missing": return {
			status: 127,
			message: `${program}: no such file`
		};
		case "directory": return {
			status: 126,
			message: `${program}: is a directory`
		};
		case "unusable": return {
			status: 126,
			message: `${program}: no permission to ${verb} it`
		};
	}
}
function signalStatus(signal) {
	return 128 + constants$1.signals[signal];
}
/** The cause that a rank's end is for the job; undefined for a normal end. */
function causeOfExit(rank) {
	const who = `rank ${rank.rank} (pid ${rank.pid})`;
	if (rank.signal !== null) return {
		reason: "signal",
		status: signalStatus(rank.signal),
		rank: rank.rank,
		message: `${who} was ended by ${rank.signal}`
	};
	if (rank.status !== 0) return {
		reason: "exit",
		status: rank.status ?? 1,
		rank: rank.rank,
		message: `${who} ended with status ${rank.status}`
	};
	if (rank.initialized && !rank.finalized) return {
		reason: "unfinalized",
		status: 1,
		rank: rank.rank,
		message: `${who} ended with status 0 after MPI.init() but without MPI.finalize()`
	};
}
/** Why a rank's program could not be executed, as shells number it. */
function causeOfNoStart(rank, file, error) {
	const errno = error.syscall === "execve" ? errnoName(error.errno ?? 0) : "";
	const status = errno === "ENOENT" ? 127 : errno === "EACCES" ? 126 : 1;
	const remedy = errnoName(error.errno ?? 0) === "EMFILE" ? ": raise ulimit -n, or start fewer" : "";
	return {
		reason: "start",
		status,
		rank,
		message: `rank ${rank}: ${file} did not start: ${error.message}${remedy}`
	};
}
/** An abort is a failure, even if the lowest eight bits of its code are 0. */
function causeOfAbort(rank, code) {
	return {
		reason: "abort",
		status: code & 255 || 1,
		rank,
		message: `rank ${rank} aborted the job with code ${code}`
	};
}
// dist/runtime/job/pmi-wire.js
const VALUE_MAX = 1024;
/** The key under which a launcher publishes which ranks share a node. */
const PROCESS_MAPPING_KEY = "PMI_process_mapping";
/**
* The fields of a line without its newline, or undefined where it is none of PMI-1: every word must
* be `key=value`, no key may come twice, and there must be at least one.
*/
function parseLine(line) {
	const fields = /* @__PURE__ */ new Map();
	for (const word of line.split(" ")) {
		if (word === "") continue;
		const equals = word.indexOf("=");
		if (equals <= 0) return void 0;
		const key = word.slice(0, equals);
		if (fields.has(key)) return void 0;
		fields.set(key, word.slice(equals + 1));
	}
	return fields.size > 0 ? fields : void 0;
}
/** `cmd=name key=value…\n`. Keys and values come from us or were parsed: no blank is in them. */
function formatLine(cmd, fields = {}) {
	let line = `cmd=${cmd}`;
	for (const [key, value] of Object.entries(fields)) line += ` ${key}=${value}`;
	return `${line}\n`;
}
/** An integer in decimal as PMI and its environment write it, or undefined. */
function parseInteger(text) {
	if (text === void 0 || !/^-?[0-9]{1,15}$/.test(text)) return void 0;
	return Number(text);
}
/** Stands for a line that exceeded the limit. */
const OVERLONG = Symbol("overlong");
var LineReader = class {
	#rest = "";
	/** Inside a line that is too long already: the rest of it is dropped. */
	#skipping = false;
	/** The lines that these bytes complete, without their newlines. */
	*feed(bytes) {
		const pieces = bytes.toString("latin1").split("\n");
		for (const [index, piece] of pieces.entries()) {
			const complete = index < pieces.length - 1;
			if (this.#rest.length + piece.length > 65536) this.#skipping = true;
			this.#rest = this.#skipping ? "" : this.#rest + piece;
			if (!complete) return;
			yield this.#skipping ? OVERLONG : this.#rest;
			this.#rest = "";
			this.#skipping = false;
		}
	}
};
var PmiServer = class {
	#kvsname;
	#events;
	#ranks;
	#values = /* @__PURE__ */ new Map();
	/** In the order of their puts, for getbyidx. */
	#keys = [];
	#bytes = 0;
	#stuck = false;
	constructor(kvsname, size, events) {
		this.#kvsname = kvsname;
		this.#events = events;
		this.#ranks = Array.from({ length: size }, () => ({
			initialized: false,
			finalized: false,
			ended: false,
			inBarrier: false,
			reader: new LineReader(),
			block: void 0
		}));
		this.#store(PROCESS_MAPPING_KEY, `(vector,(0,1,${size}))`);
	}
	initialized(rank) {
		return this.#ranks[rank].initialized;
	}
	finalized(rank) {
		return this.#ranks[rank].finalized;
	}
	/** Bytes from a rank's connection. */
	receive(rank, bytes) {
		for (const line of this.#ranks[rank].reader.feed(bytes)) if (line === OVERLONG) this.#refuse(rank, "line_too_long");
		else this.#line(rank, line);
	}
	/** The rank's process has ended: it will enter no barrier. */
	ended(rank) {
		this.#ranks[rank].ended = true;
		this.#checkBarrier();
	}
	#line(rank, line) {
		const state = this.#ranks[rank];
		if (state.block) {
			this.#blockLine(rank, state.block, line);
			return;
		}
		if (line.trim() === "") return;
		if (/^\s*cmd=abort(?!\S)/.test(line)) {
			this.#events.abort(rank, exitCodeOf(line));
			return;
		}
		const fields = parseLine(line);
		if (fields?.has("mcmd")) state.block = new Map(fields);
		else if (fields?.has("cmd")) {
			const answer = this.#answerTo(rank, fields.get("cmd"), fields);
			if (answer !== void 0) this.#events.send(rank, answer);
		} else this.#refuse(rank, "malformed_line");
	}
	/** A line of `mcmd=spawn`: values may hold blanks here, so only the first `=` counts. */
	#blockLine(rank, block, line) {
		if (line !== "endcmd") {
			const equals = line.indexOf("=");
			const name = line.slice(0, Math.max(equals, 0));
			if (name === "totspawns" || name === "spawnssofar") block.set(name, line.slice(equals + 1));
			return;
		}
		this.#ranks[rank].block = void 0;
		const total = parseInteger(block.get("totspawns")) ?? 1;
		if ((parseInteger(block.get("spawnssofar")) ?? 1) >= total) this.#events.send(rank, unsupported(block.get("mcmd")));
	}
	/** The answer to a command, or undefined where there is none yet, or none at all. */
	#answerTo(rank, cmd, fields) {
		switch (cmd) {
			case "init": return this.#init(rank, fields);
			case "get_maxes": return formatLine("maxes", {
				kvsname_max: 256,
				keylen_max: 64,
				vallen_max: VALUE_MAX
			});
			case "get_appnum": return formatLine("appnum", { appnum: 0 });
			case "get_my_kvsname": return formatLine("my_kvsname", { kvsname: this.#kvsname });
			case "get_universe_size": return formatLine("universe_size", { size: this.#ranks.length });
			case "put": return this.#put(fields);
			case "get": return this.#get(fields);
			case "getbyidx": return this.#getByIndex(fields);
			case "barrier_in": return this.#barrierIn(rank);
			case "finalize": return this.#finalize(rank);
			default: return unsupported(cmd);
		}
	}
	#init(rank, fields) {
		const fits = fields.get("pmi_version") === String(1);
		if (fits) this.#ranks[rank].initialized = true;
		return formatLine("response_to_init", {
			pmi_version: 1,
			pmi_subversion: 1,
			rc: fits ? 0 : -1
		});
	}
	#put(fields) {
		const refusal = this.#refusalOfPut(fields);
		if (refusal !== void 0) return formatLine("put_result", {
			rc: -1,
			msg: refusal
		});
		this.#store(fields.get("key"), fields.get("value"));
		return formatLine("put_result", {
			rc: 0,
			msg: "success"
		});
	}
	#refusalOfPut(fields) {
		const key = fields.get("key");
		const value = fields.get("value");
		if (fields.get("kvsname") !== this.#kvsname) return "no_such_kvs";
		if (!key || value === void 0) return "key_or_value_missing";
		if (key.length >= 64) return "key_too_long";
		if (value.length >= 1024) return "value_too_long";
		if (this.#values.has(key)) return "duplicate_key";
		if (this.#bytes + bytesOf(key, value) > 67108864) return "kvs_full";
	}
	#store(key, value) {
		const kept = copied(key);
		this.#values.set(kept, copied(value));
		this.#keys.push(kept);
		this.#bytes += bytesOf(key, value);
	}
	#get(fields) {
		const ours = fields.get("kvsname") === this.#kvsname;
		const value = ours ? this.#values.get(fields.get("key") ?? "") : void 0;
		if (value !== void 0) return formatLine("get_result", {
			rc: 0,
			msg: "success",
			value
		});
		return formatLine("get_result", {
			rc: -1,
			msg: ours ? "key_not_found" : "no_such_kvs",
			value: "unknown"
		});
	}
	#getByIndex(fields) {
		const index = parseInteger(fields.get("idx")) ?? -1;
		const key = fields.get("kvsname") === this.#kvsname ? this.#keys[index] : void 0;
		if (key === void 0) return formatLine("getbyidx_results", {
			rc: -2,
			reason: "no_more_keyvals"
		});
		const val = this.#values.get(key);
		return formatLine("getbyidx_results", {
			rc: 0,
			nextidx: index + 1,
			key,
			val
		});
	}
	/** The last rank that comes lets all ranks go on. */
	#barrierIn(rank) {
		const state = this.#ranks[rank];
		if (state.inBarrier) return formatLine("result", {
			rc: -1,
			msg: "already_in_the_barrier"
		});
		state.inBarrier = true;
		if (this.#ranks.every((each) => each.inBarrier)) {
			for (const each of this.#ranks) each.inBarrier = false;
			const out = formatLine("barrier_out");
			for (let each = 0; each < this.#ranks.length; each++) this.#events.send(each, out);
		} else this.#checkBarrier();
	}
	#finalize(rank) {
		this.#ranks[rank].finalized = true;
		this.#checkBarrier();
		return formatLine("finalize_ack");
	}
	/** A barrier fails as soon as a rank that is not in it cannot come any more. */
	#checkBarrier() {
		const waiting = this.#ranks.findIndex((each) => each.inBarrier);
		const absent = this.#ranks.findIndex((each) => !each.inBarrier && (each.ended || each.finalized));
		if (waiting < 0 || absent < 0 || this.#stuck) return;
		this.#stuck = true;
		const how = this.#ranks[absent].ended ? "has ended" : "has finalized";
		this.#events.stuck(`rank ${waiting} waits in a barrier for rank ${absent}, which ${how}`);
	}
	#refuse(rank, msg) {
		this.#events.send(rank, formatLine("result", {
			rc: -1,
			msg
		}));
	}
};
const bytesOf = (key, value) => 192 + key.length + value.length;
/** A part of a string keeps the whole string alive, which is all that came with it; a copy does not. */
const copied = (text) => Buffer.from(text, "latin1").toString("latin1");
/**
* A request for the end of the job is heard however it is written: MPICH 4.1 and newer add a message
* behind the exit code, whose words are no fields.
*/
function exitCodeOf(line) {
	const [fields] = line.split(" message=", 1);
	return parseInteger(/ exitcode=(\S+)/.exec(fields)?.[1]) ?? 1;
}
/** Clients wait for an answer of a certain name, also to commands that dregrun does not support. */
const UNSUPPORTED = {
	spawn: "spawn_result",
	publish_name: "publish_result",
	unpublish_name: "unpublish_result",
	lookup_name: "lookup_result"
};
function unsupported(cmd) {
	return Object.hasOwn(UNSUPPORTED, cmd) ? formatLine(UNSUPPORTED[cmd], {
		rc: -1,
		msg: `${cmd}_is_not_supported`
	}) : formatLine("result", {
		rc: -1,
		msg: "unknown_command"
	});
}
// dist/runtime/launch/rank-process.js
/** One rank's process: how it is started, and its connections to dregrun. */
function pairOf(answer, call, purpose) {
	if (typeof answer !== "number") return answer;
	check(answer, call, purpose);
	throw new Error("unreachable");
}
/**
* Starts a rank in a session and process group of its own. Its output goes through pipes, which a
* program can open by /dev/stdout; its PMI connection is a socket.
* @throws MpiError ERR_SYSTEM with the call that failed.
*/
function startRank(options) {
	const pairs = [];
	try {
		pairs.push(pairOf(addon().socketPair(), "socketpair", "its PMI connection"));
		for (const name of options.ownOutput ? [] : ["stdout", "stderr"]) pairs.push(pairOf(addon().pipeCreate(), "pipe2", `its ${name}`));
		const [pmi, ...output] = pairs;
		const child = startChild({
			words: [options.program.file, ...options.program.words],
			environment: options.environment,
			directory: options.workingDirectory,
			fds: [
				options.stdin,
				output[0]?.[1] ?? 1,
				output[1]?.[1] ?? 2,
				pmi[1]
			],
			ledger: options.ledger,
			diesWithParent: true,
			ignored: options.ignored,
			cpus: options.cpus
		});
		const [stdout, stderr] = output.map(([readEnd]) => readPipe(readEnd));
		return {
			...child,
			rank: options.rank,
			pmi: new Socket({ fd: pmi[0] }),
			stdout,
			stderr
		};
	} catch (error) {
		for (const [ours] of pairs) closeSync(ours);
		throw error;
	} finally {
		for (const [, theirs] of pairs) closeSync(theirs);
	}
}
function readPipe(fd) {
	const socket = new Socket({
		fd,
		readable: true,
		writable: false
	});
	socket.on("error", () => socket.destroy());
	return socket;
}
// dist/runtime/messaging/deadlock/waits.js
/** Undefined where the text is none of ours. */
function decodeWait(text) {
	try {
		const wait = JSON.parse(text);
		return Array.isArray(wait.operations) ? wait : void 0;
	} catch {
		return;
	}
}
/** For a person: a line for each wait, and below it where it stands in the program. */
function tableOf(waits) {
	return waits.map(lineOf).join("\n");
}
function lineOf({ rank, mode, operations, stack }) {
	const joint = mode === "all" ? " and " : " or ";
	const more = operations.length > 3 ? `${joint}${operations.length - 3} more` : "";
	return `  rank ${rank} waits in ${operations.slice(0, 3).map(inWords).join(joint)}${more}${stack === "" ? "" : `\n${stack.replace(/^\s*/gm, "      ")}`}`;
}
function inWords({ operation, peer, tag, communicator }) {
	return `${operation}(${peer < 0 ? "any rank" : `rank ${peer}`}, ${tag < 0 ? "any tag" : `tag ${tag}`}) of ${communicator}`;
}
// dist/runtime/launch/wait-report.js
/**
* What the ranks of a job wait for, as dregrun sees it: it reads their shared segments from outside, so that
* ranks that hang answer as well (docs/internals/deadlock.md).
*/
/** Waits of a job's ranks, by world rank. */
function readWaits(jobId, groups) {
	const waits = [];
	const seen = /* @__PURE__ */ new Set();
	for (const file of segmentsOf(jobId, groups)) {
		const segment = openSegment(file, seen);
		if (segment === void 0) continue;
		try {
			waits.push(...waitsIn(segment));
		} finally {
			closeSync(segment);
		}
	}
	return waits.sort((a, b) => a.rank - b.rank);
}
/** For a person, with a line for each rank of the job. */
function describeWaits(waits, ranks, hasEnded) {
	const lines = [];
	for (let rank = 0; rank < ranks; rank++) {
		const wait = waits.find((one) => one.rank === rank);
		if (hasEnded(rank)) lines.push(`  rank ${rank} has ended`);
		else if (wait) lines.push(tableOf([wait]));
		else lines.push(`  rank ${rank} runs, or has waited for less than a second`);
	}
	return lines.join("\n");
}
/** Descriptors of the ranks' processes that are segments of the job. */
function* segmentsOf(jobId, groups) {
	const name = `/memfd:dreg-mpi ${jobId} (deleted)`;
	for (const pids of membersOf(groups)?.values() ?? []) for (const pid of pids) for (const fd of listed(`/proc/${pid}/fd`)) {
		const file = `/proc/${pid}/fd/${fd}`;
		if (linkOf(file) === name) yield file;
	}
}
function listed(folder) {
	try {
		return readdirSync(folder);
	} catch {
		return [];
	}
}
function linkOf(file) {
	try {
		return readlinkSync(file);
	} catch {
		return "";
	}
}
/** Undefined where it is gone, or was seen before: all ranks of a node have the same. */
function openSegment(file, seen) {
	let fd;
	try {
		fd = openSync(file, "r");
	} catch {
		return;
	}
	const { ino } = fstatSync(fd);
	if (!seen.has(ino)) {
		seen.add(ino);
		return fd;
	}
	closeSync(fd);
}
function waitsIn(segment) {
	const header = wordsOf(segment, 0, PAGE_BYTES);
	const ranks = header[HEADER.magic] === 1685218663 && header[HEADER.version] === 4 ? Math.min(header[HEADER.ranks], 250) : 0;
	const waits = [];
	for (let local = 0; local < ranks; local++) {
		const wait = waitIn(segment, controlOffset(local));
		if (wait !== void 0) waits.push(wait);
	}
	return waits;
}
function waitIn(segment, offset) {
	const control = wordsOf(segment, offset, CONTROL_BYTES);
	const word = control[320];
	const same = wordsOf(segment, offset, PAGE_BYTES)[320] === word;
	if ((word & 1) === 0 || !same) return void 0;
	const length = Math.min(control[WAIT_TEXT / 4 - 1] >>> 0, WAIT_TEXT_BYTES);
	return decodeWait(Buffer.from(control.buffer, WAIT_TEXT, length).toString());
}
function wordsOf(segment, offset, bytes) {
	const words = new Int32Array(bytes / 4);
	readSync(segment, words, 0, bytes, offset);
	return words;
}
// dist/runtime/launch/job-run.js
/** Milliseconds from SIGTERM (or the forwarded signal) to SIGKILL. */
const KILL_GRACE_MS = 2e3;
/** How long dregrun waits for a killed process to disappear. */
const REAP_MS = 1e3;
/** Milliseconds between two looks at whether a process group is gone. */
const POLL_MS = 10;
var JobRun = class {
	#plan;
	#server;
	#keeper;
	#ranks = [];
	#feeds = [];
	#outcomes = [];
	/** Process groups in which a process may be alive. */
	#groups = /* @__PURE__ */ new Set();
	#handed = new HandedSignals();
	/** Ranks that have not ended. */
	#living = /* @__PURE__ */ new Set();
	/** One for each rank: settled when its exit has been judged. */
	#exits = [];
	#cause;
	/** When the end of the job began, and when the ranks get SIGKILL. */
	#endedAt = 0;
	#killAt = 0;
	#reportedAt = Number.NEGATIVE_INFINITY;
	#hurried = false;
	constructor(plan) {
		this.#plan = plan;
		this.#keeper = new Keeper((message) => plan.log(`no keeper: ${message}`));
		this.#server = new PmiServer(plan.jobId, plan.command.ranks, {
			send: (rank, line) => this.#send(rank, line),
			abort: (rank, code) => this.end(causeOfAbort(rank, code), "SIGTERM"),
			stuck: (message) => this.end({
				reason: "deadlock",
				status: 1,
				message
			}, "SIGTERM")
		});
	}
	/** Resolves when every process of the job is gone and its output was read. */
	async run() {
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
	get hurried() {
		return this.#hurried;
	}
	/** Ends the job. Only the first cause counts; later ones are its consequences. */
	end(cause, signal) {
		if ([
			"interrupted",
			"timeout",
			"output"
		].includes(cause.reason)) this.#hurried = true;
		if (this.#cause) return;
		this.#cause = cause;
		if (cause.message !== void 0) this.#plan.say(cause.message);
		this.#plan.log(`ending the job: ${cause.reason}, ${signal} to its ranks`);
		this.#handed.close();
		this.#signalAll(signal);
		this.#signalAll("SIGCONT");
		this.#endedAt = performance.now();
		this.#killAt = this.#endedAt + KILL_GRACE_MS;
		setTimeout(() => this.#signalAll("SIGKILL"), KILL_GRACE_MS).unref();
	}
	/** A signal to dregrun that means its end: the ranks get the same; a second one kills them. */
	interrupt(signal) {
		if (this.#cause && performance.now() - this.#endedAt > 200) {
			this.#plan.log(`${signal} once more: SIGKILL to the ranks`);
			this.#signalAll("SIGKILL");
		}
		this.end({
			reason: "interrupted",
			status: signalStatus(signal)
		}, signal);
	}
	/** Stops the ranks, or has them go on. */
	pause(signal) {
		this.#signalAll(signal);
	}
	/** A signal that is for the ranks alone. */
	hand(signal) {
		if (this.#cause === void 0) this.#handed.hand(signal, this.#groups);
	}
	/** Says what the ranks wait for; the job goes on. One report answers signals that come together. */
	report() {
		if (performance.now() - this.#reportedAt < 200) return;
		this.#reportedAt = performance.now();
		this.#tell(readWaits(this.#plan.jobId, this.#groups));
	}
	#tell(waits) {
		const { ranks } = this.#plan.command;
		const ended = (rank) => !this.#living.has(rank);
		this.#plan.say(`what the ranks do:\n${describeWaits(waits, ranks, ended)}`);
	}
	/** Tells of each standstill once: again when another rank has waited for so long. */
	#startStuck() {
		const seconds = this.#plan.command.stuckSeconds;
		if (seconds === void 0) return void 0;
		const told = /* @__PURE__ */ new Map();
		return setInterval(() => {
			const waits = readWaits(this.#plan.jobId, this.#groups);
			if (!waits.filter(({ since }) => Date.now() - since >= seconds * 1e3).some(({ rank, since }) => told.get(rank) !== since)) return;
			for (const { rank, since } of waits) told.set(rank, since);
			this.#tell(waits);
		}, 500).unref();
	}
	#startTimeout() {
		const seconds = this.#plan.command.timeoutSeconds;
		if (seconds === void 0) return void 0;
		const message = `the job's time of ${seconds} s is over`;
		return setTimeout(() => this.end({
			reason: "timeout",
			status: 124,
			message
		}, "SIGTERM"), seconds * 1e3);
	}
	#startAll() {
		for (let rank = 0; rank < this.#plan.command.ranks && !this.#cause; rank++) {
			this.#outcomes[rank] = {
				rank,
				pid: null,
				status: null,
				signal: null,
				initialized: false,
				finalized: false
			};
			try {
				this.#start(rank);
			} catch (error) {
				if (!(error instanceof MpiError)) throw error;
				this.end(causeOfNoStart(rank, this.#plan.program.file, error), "SIGTERM");
			}
		}
	}
	#start(rank) {
		const plan = this.#plan;
		const places = plan.binding.places;
		const place = places.length > 0 ? places[rank % places.length] : void 0;
		const process = startRank({
			rank,
			program: plan.program,
			environment: rankEnvironment(plan.environment, rank),
			workingDirectory: plan.command.workingDirectory,
			stdin: rank === 0 ? plan.stdin : null,
			ownOutput: plan.ownOutput,
			ledger: this.#keeper.ledger,
			ignored: plan.ignored,
			cpus: place
		});
		this.#ranks.push(process);
		this.#outcomes[rank].pid = process.pid;
		this.#groups.add(process.pid);
		this.#living.add(rank);
		plan.log(`rank ${rank}: pid ${process.pid}${place ? `, CPU ${place.join(",")}` : ""}`);
		this.#exits.push(this.#watch(process));
		this.#connect(process);
	}
	#connect(rank) {
		const { rank: number, pmi, stdout, stderr } = rank;
		const tagged = this.#plan.command.tagOutput;
		if (stdout) this.#feed(this.#plan.stdout, stdout, tagged ? `[${number}] ` : "", number);
		if (stderr) this.#feed(this.#plan.stderr, stderr, tagged ? `[${number} stderr] ` : "", number);
		pmi.on("error", () => {});
		pmi.on("data", (bytes) => this.#server.receive(number, bytes));
		pmi.on("drain", () => pmi.resume());
	}
	#feed(output, source, tag, rank) {
		this.#feeds.push({
			source,
			output,
			ended: output.attach(source, tag, rank === 0)
		});
	}
	#send(rank, line) {
		const { pmi } = this.#ranks[rank] ?? {};
		if (!pmi || pmi.destroyed || !pmi.writable) return;
		if (!pmi.write(line, "latin1")) pmi.pause();
	}
	/** Settles when the rank has ended and its end was judged. */
	async #watch({ rank, pid, ended, pmi }) {
		const outcome = Object.assign(this.#outcomes[rank], await ended);
		this.#living.delete(rank);
		await closed(pmi, 100);
		outcome.initialized = this.#server.initialized(rank);
		outcome.finalized = this.#server.finalized(rank);
		const cause = causeOfExit(outcome);
		if (cause) this.end(cause, "SIGTERM");
		this.#server.ended(rank);
		this.#forgetEmptyGroups([pid]);
	}
	#signalAll(signal) {
		for (const group of this.#groups) signalGroup(group, signal);
	}
	/** An empty group is forgotten, because from then on its number may belong to another group. */
	#forgetEmptyGroups(groups) {
		const living = livingGroups(groups);
		for (const group of groups) {
			if (living.has(group)) continue;
			this.#groups.delete(group);
			this.#keeper.forget(group);
		}
	}
	/** Ends processes that the ranks left behind in their process groups. */
	async #sweep() {
		if (this.#groups.size > 0 && !this.#cause) {
			this.#signalAll("SIGTERM");
			this.#signalAll("SIGCONT");
			this.#killAt = performance.now() + KILL_GRACE_MS;
		}
		let killed = false;
		while (this.#groups.size > 0) {
			this.#forgetEmptyGroups([...this.#groups]);
			if (this.#groups.size === 0) break;
			if (performance.now() >= this.#killAt) {
				if (killed) break;
				this.#signalAll("SIGKILL");
				killed = true;
				this.#killAt += REAP_MS;
			}
			await setTimeout$1(POLL_MS);
		}
		if (this.#groups.size > 0) this.#plan.log(`process groups ${[...this.#groups].join(" ")} do not end`);
	}
	/**
	* Reads a rank's pipe to its end. Something that left the rank's process group may hold it open:
	* then silence ends it, though not a silence that a slow reader of ours causes.
	*/
	async #drain({ source, output, ended }) {
		let heard = performance.now();
		source.on("data", () => {
			heard = performance.now();
		});
		const watch = setInterval(() => {
			if (output.blocked && !this.#hurried) heard = performance.now();
			if (performance.now() - heard > 500) source.destroy();
		}, POLL_MS);
		await ended;
		clearInterval(watch);
	}
	#outcome(milliseconds) {
		const cause = this.#cause ?? {
			reason: "finished",
			status: 0
		};
		return {
			job: this.#plan.jobId,
			program: this.#plan.command.program,
			size: this.#plan.command.ranks,
			reason: cause.reason,
			status: cause.status,
			rank: cause.rank ?? null,
			message: cause.message ?? null,
			milliseconds: Math.round(milliseconds),
			ranks: this.#outcomes
		};
	}
};
/** Waits for a stream's end, at most this long. */
async function closed(stream, milliseconds) {
	if (stream.closed) return;
	await new Promise((resolve) => {
		const timer = setTimeout(resolve, milliseconds);
		stream.once("close", () => {
			clearTimeout(timer);
			resolve();
		});
	});
}
const NOTHING = Buffer.alloc(0);
const NEWLINE = 10;
const NEWLINE_BYTES = Buffer.from("\n");
/** stdout or stderr of a whole job. */
var Output = class {
	#sink;
	#sources = /* @__PURE__ */ new Set();
	/** The stream whose unfinished line the last byte belongs to. */
	#open;
	#paused = false;
	constructor(sink) {
		this.#sink = sink;
		sink.onDrain(() => this.#resume());
	}
	get sink() {
		return this.#sink;
	}
	/** True while the reader of our output is slow and ranks wait for it. */
	get blocked() {
		return this.#paused;
	}
	/**
	* Passes a rank's stream on; `tag` starts each of its lines. Resolves when the stream has ended and
	* its last byte went to the sink (a socket calls itself closed before its close event).
	*/
	attach(source, tag, prompts) {
		const stream = new RankStream(this, Buffer.from(tag), prompts && this.#sink.isTerminal);
		this.#sources.add(source);
		source.on("data", (bytes) => stream.receive(bytes));
		if (this.#paused) source.pause();
		return new Promise((resolve) => {
			source.once("close", () => {
				this.#sources.delete(source);
				stream.end();
				resolve();
			});
		});
	}
	/** A line of dregrun's own. */
	say(line) {
		this.write(void 0, Buffer.from(`${line}\n`));
	}
	/** Bytes of a stream, which may leave its line open. Another's open line is ended first. */
	write(stream, bytes) {
		if (bytes.length === 0) return;
		if (this.#open !== void 0 && this.#open !== stream) this.#sink.write(NEWLINE_BYTES);
		this.#open = bytes[bytes.length - 1] === NEWLINE ? void 0 : stream;
		this.#sink.write(bytes);
		if (this.#sink.full && !this.#paused) this.#pause();
	}
	isOpen(stream) {
		return this.#open === stream;
	}
	#pause() {
		this.#paused = true;
		for (const source of this.#sources) source.pause();
	}
	#resume() {
		this.#paused = false;
		for (const source of this.#sources) source.resume();
	}
};
/** One stream of one rank: holds the bytes that have no newline yet. */
var RankStream = class {
	#output;
	#tag;
	#prompts;
	/** Grown by doubling: a program may write its line letter by letter. */
	#held = NOTHING;
	#heldBytes = 0;
	#promptTimer;
	constructor(output, tag, prompts) {
		this.#output = output;
		this.#tag = tag;
		this.#prompts = prompts;
	}
	receive(bytes) {
		clearTimeout(this.#promptTimer);
		const end = bytes.lastIndexOf(NEWLINE) + 1;
		if (end > 0) {
			this.#hold(bytes.subarray(0, end));
			this.#release();
		}
		this.#hold(bytes.subarray(end));
		if (this.#heldBytes >= 262144) this.#release();
		if (this.#prompts && this.#heldBytes > 0) this.#promptTimer = setTimeout(() => this.#release(), 100);
	}
	/** The last line may have no newline: it is kept as it is. */
	end() {
		clearTimeout(this.#promptTimer);
		this.#release();
	}
	#hold(bytes) {
		const needed = this.#heldBytes + bytes.length;
		if (needed > this.#held.length) {
			const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#held.length));
			this.#held.copy(grown, 0, 0, this.#heldBytes);
			this.#held = grown;
		}
		bytes.copy(this.#held, this.#heldBytes);
		this.#heldBytes = needed;
	}
	#release() {
		if (this.#heldBytes === 0) return;
		const bytes = this.#held.subarray(0, this.#heldBytes);
		this.#held = NOTHING;
		this.#heldBytes = 0;
		this.#output.write(this, this.#tag.length > 0 ? this.#tagged(bytes) : bytes);
	}
	/** Every line with its tag; the rest of a line that is already out has it. */
	#tagged(bytes) {
		const parts = [];
		let continues = this.#output.isOpen(this);
		for (let at = 0; at < bytes.length;) {
			const newline = bytes.indexOf(NEWLINE, at);
			const end = newline < 0 ? bytes.length : newline + 1;
			if (!continues) parts.push(this.#tag);
			parts.push(bytes.subarray(at, end));
			continues = false;
			at = end;
		}
		return Buffer.concat(parts);
	}
};
const RETRY_MS = 5;
var Sink = class {
	fd;
	isTerminal;
	/** Unset where writes are synchronous. */
	#socket;
	#drained = [];
	#failed = [];
	#error;
	constructor(fd) {
		this.fd = fd;
		this.isTerminal = isatty(fd);
		this.#socket = openSocket(fd);
		this.#socket?.on("error", (error) => this.#fail(error));
		this.#socket?.on("drain", () => this.#drain());
	}
	get full() {
		return this.#error === void 0 && (this.#socket?.writableLength ?? 0) > 262144;
	}
	onDrain(callback) {
		this.#drained.push(callback);
	}
	/** Is told of the first error (EPIPE: the reader is gone). Later output is dropped. */
	onError(callback) {
		this.#failed.push(callback);
	}
	write(bytes) {
		if (this.#error) return;
		if (this.#socket) this.#socket.write(bytes);
		else this.#writeSync(bytes);
	}
	/** Resolves when the reader has taken everything, is gone, or the time is over. */
	async flush(milliseconds) {
		if (this.#error || !this.#socket || this.#socket.writableLength === 0) return;
		await new Promise((resolve) => {
			this.onError(() => resolve());
			this.#socket?.write("", () => resolve());
			if (milliseconds !== void 0) setTimeout(resolve, milliseconds).unref();
		});
	}
	#writeSync(bytes) {
		for (let at = 0; at < bytes.length;) try {
			at += writeSync(this.fd, bytes, at);
		} catch (error) {
			if (error.code !== "EAGAIN") {
				this.#fail(error);
				return;
			}
			Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
		}
	}
	#fail(error) {
		if (this.#error) return;
		this.#error = error;
		for (const callback of this.#failed) callback(error);
		this.#drain();
	}
	#drain() {
		for (const callback of this.#drained) callback();
	}
};
/** True where both descriptors are the same file, so that their lines must be kept apart together. */
function sameFile(one, other) {
	try {
		const a = fstatSync(one);
		const b = fstatSync(other);
		return a.dev === b.dev && a.ino === b.ino;
	} catch {
		return false;
	}
}
function openSocket(fd) {
	const stat = fstatSync(fd);
	if (!stat.isFIFO() && !stat.isSocket()) return void 0;
	return new Socket({
		fd: stat.isFIFO() ? reopenPipe(fd) : fd,
		readable: false,
		writable: true
	});
}
/**
* The pipe by a description of its own: O_NONBLOCK on the inherited one would be seen by everyone
* who shares it, such as the next command of the same shell.
*/
function reopenPipe(fd) {
	try {
		return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
	} catch {
		return fd;
	}
}
const READ_BYTES = 4096;
const terminals = [
	0,
	1,
	2
].filter((fd) => isatty(fd));
/**
* Ends dregrun. Node sets the terminals' modes back then, and aborts where a terminal has hung up:
* such a one is replaced before.
*/
function leave(status) {
	for (const fd of terminals) {
		if (isatty(fd)) continue;
		closeSync(fd);
		openSync("/dev/null", "r+");
	}
	process.exit(status);
}
/** stdin by a description of its own, whose O_NONBLOCK nobody else sees; undefined without /proc. */
function openTerminal() {
	if (!isatty(0)) return void 0;
	try {
		return openSync("/proc/self/fd/0", constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
	} catch {
		return;
	}
}
/** Typed bytes on their way to rank 0. */
var TerminalInput = class {
	/** For rank 0's stdin. */
	readEnd;
	#terminal;
	#pipe;
	#chunk = Buffer.alloc(READ_BYTES);
	/** Set while dregrun reads. */
	#watcher;
	/** Set while it waits for the foreground. */
	#timer;
	#ended = false;
	constructor(terminal) {
		const ends = addon().pipeCreate();
		if (typeof ends === "number") {
			check(ends, "pipe2", "rank 0's stdin");
			throw new Error("unreachable");
		}
		this.#terminal = terminal;
		this.readEnd = ends[0];
		this.#pipe = new Socket({
			fd: ends[1],
			readable: false,
			writable: true
		});
		this.#pipe.on("error", () => this.close());
		this.#pipe.on("drain", () => this.resume());
		this.#pipe.unref();
		this.resume();
	}
	/** Reads on, as soon as dregrun is in the foreground and rank 0 has room. */
	resume() {
		this.pause();
		if (this.#ended || this.#pipe.writableNeedDrain) return;
		if (addon().inForeground(this.#terminal) === 0) {
			this.#timer = setTimeout(() => this.resume(), 250).unref();
			return;
		}
		this.#watcher = new (addon()).Watcher(this.#terminal, false, () => this.#read());
		this.#watcher.unref();
	}
	/** dregrun is about to be stopped. It may go on in the background. */
	pause() {
		clearTimeout(this.#timer);
		this.#watcher?.close();
		this.#watcher = void 0;
	}
	close() {
		this.pause();
		this.#ended = true;
		this.#pipe.destroy();
	}
	#read() {
		if (addon().inForeground(this.#terminal) === 0) {
			this.resume();
			return;
		}
		let count = 0;
		try {
			count = readSync(this.#terminal, this.#chunk);
		} catch (error) {
			if (error.code === "EAGAIN") return;
		}
		if (count === 0) {
			this.pause();
			this.#ended = true;
			this.#pipe.end();
		} else if (!this.#pipe.write(Buffer.from(this.#chunk.subarray(0, count)))) this.pause();
	}
};
// dist/runtime/launch/dregrun.js
/** dregrun: starts the ranks of a job on this machine. Options, statuses: docs/operating/launching.md. */
/** Milliseconds for which output waits for its reader after the job was ended from outside. */
const FLUSH_MS = 2e3;
/**
* nohup ignores SIGHUP, but Node gives every signal its default effect when it starts. So bundle.mjs lets a
* shell look before. The ranks ignore the signal, too.
* @environment DREG_NOHUP | `1` | the first line of `dregrun`'s own script sets it where SIGHUP is to be
*   ignored
*/
const IGNORED = process.env.DREG_NOHUP === "1" ? ["SIGHUP"] : [];
delete process.env.DREG_NOHUP;
/** These signals end the job. Its ranks get the same signal. */
const ENDING = [
	"SIGINT",
	"SIGTERM",
	"SIGHUP",
	"SIGQUIT"
].filter((signal) => !IGNORED.includes(signal));
/** These signals are passed on to the ranks. */
const HANDED = ["SIGUSR1", "SIGUSR2"];
async function main(words) {
	const stdout = new Output(new Sink(1));
	const stderr = sameFile(1, 2) ? stdout : new Output(new Sink(2));
	for (const signal of IGNORED) process.on(signal, () => {});
	const { status, hurry } = await answer(words, stdout, stderr);
	for (const signal of ENDING) process.on(signal, () => leave(status));
	for (const { sink } of [stdout, stderr]) await sink.flush(hurry ? FLUSH_MS : void 0);
	return status;
}
async function answer(words, stdout, stderr) {
	try {
		const command = parseArguments(words);
		if (command.kind === "run") return await run(command, stdout, stderr);
		if (command.kind === "doctor") return await examine(command, stdout);
		if (command.kind === "help") stdout.write(void 0, Buffer.from(HELP));
		else stdout.say(`dregrun ${packageVersion()}`);
		return {
			status: 0,
			hurry: false
		};
	} catch (error) {
		if (!(error instanceof MpiError) || error.code !== "ERR_ARG") throw error;
		stderr.say(`dregrun: ${error.message}; see dregrun --help`);
		return {
			status: 2,
			hurry: false
		};
	}
}
async function examine(command, stdout) {
	const { examination, shown } = await import("./doctor-C0HAMX_o.js");
	for (const [name, value] of command.exports) process.env[name] = value;
	if (command.transport !== void 0) process.env.DREG_TRANSPORT = command.transport;
	const found = await examination(packageVersion());
	stdout.say(command.json ? JSON.stringify(found) : shown(found));
	return {
		status: found.ok ? 0 : 1,
		hurry: false
	};
}
async function run(command, stdout, stderr) {
	checkDirectory(command.workingDirectory);
	const program = findProgram(command.program, command.programArguments, process.env.PATH);
	if ("status" in program) {
		stderr.say(`dregrun: ${program.message}`);
		return {
			status: program.status,
			hurry: false
		};
	}
	checkSize(command);
	const cpus = allowedCpus() ?? [];
	const wanted = mayBind(command.binding, cpus) ? command.binding : "none";
	const binding = planBinding(wanted, command.ranks, cpus);
	const jobId = `dreg_${process.pid}_${randomHex(6)}`;
	const environment = jobEnvironment(process.env, {
		jobId,
		ranks: command.ranks,
		binding: binding.binding,
		cores: binding.cores,
		transport: command.transport,
		columns: stderr.sink.isTerminal ? process.stderr.columns : void 0,
		exports: command.exports
	});
	const terminal = openTerminal();
	const input = terminal === void 0 ? void 0 : new TerminalInput(terminal);
	const say = (message) => stderr.say(`dregrun: ${message}`);
	const job = new JobRun({
		command,
		jobId,
		program,
		environment,
		binding,
		stdin: input?.readEnd ?? 0,
		ignored: IGNORED.map((signal) => constants$1.signals[signal]),
		stdout,
		stderr,
		ownOutput: command.ranks === 1 && !command.tagOutput,
		say,
		log: command.verbose ? say : () => {}
	});
	watchSignals(job, input);
	watchReaders(job, stdout, stderr);
	const running = job.run();
	if (input) closeSync(input.readEnd);
	const outcome = await running;
	input?.close();
	if (command.json) stderr.say(JSON.stringify(outcome));
	return {
		status: outcome.status,
		hurry: job.hurried
	};
}
/** Ranks of this package share a segment, which has a limit of its own; other programs do not. */
function checkSize({ ranks, program }) {
	if (ranks <= 250 || !isScript(program)) return;
	const limit = `at most 250 ranks of this package run on one machine (MAX_LOCAL_RANKS)`;
	const other = `if the script does not use this package: dregrun -n ${ranks} -- node ${program}`;
	throw new MpiError("ERR_ARG", `-n ${ranks} ${program}: ${limit}; ${other}`);
}
function checkDirectory(folder) {
	if (folder === void 0) return;
	if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new MpiError("ERR_ARG", `--wdir ${folder}: there is no such directory`);
}
function watchSignals(job, input) {
	for (const signal of ENDING) process.on(signal, () => job.interrupt(signal));
	for (const signal of HANDED) process.on(signal, () => job.hand(signal));
	process.on("SIGUSR2", () => job.report());
	process.on("SIGTSTP", () => {
		job.pause("SIGSTOP");
		input?.pause();
		process.kill(process.pid, "SIGSTOP");
	});
	process.on("SIGCONT", () => {
		job.pause("SIGCONT");
		input?.resume();
	});
}
/** An output that cannot be written ends the job. If the reader went away, that is not reported. */
function watchReaders(job, stdout, stderr) {
	for (const { sink } of /* @__PURE__ */ new Set([stdout, stderr])) sink.onError((error) => job.end(error.code === "EPIPE" ? {
		reason: "output",
		status: signalStatus("SIGPIPE")
	} : {
		reason: "output",
		status: 1,
		message: `output: ${error.message}`
	}, "SIGTERM"));
}
function packageVersion() {
	return JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")).version;
}
try {
	leave(await main(process.argv.slice(2)));
} catch (error) {
	writeSync(2, `dregrun: ${error instanceof Error ? error.message : error}\n`);
	leave(1);
}
export {};

//# sourceMappingURL=dregrun.js.map