/**
 * Runs a program to which the kernel refuses a system call, as a container's seccomp profile would:
 * node forbidding.js CALL ERRNO PROGRAM.js [ARGUMENTS]
 */
import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { helpers, ok, SYS } from '../../../../tools/native/helpers.ts';

const [call, errno, ...program] = process.argv.slice(2);
const numbers: Record<string, number> = constants.errno;
ok(helpers().forbid(SYS[call as keyof typeof SYS], numbers[errno]));
const { status } = spawnSync(process.execPath, program, { stdio: 'inherit' });
process.exitCode = status ?? 1;
