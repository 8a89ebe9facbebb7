import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { guestsCanRun } from './bridge.ts';
import { PACKAGED_KERNELS } from './kernels.ts';
import { buildModule } from './modules.ts';
import { CHECKOUT, HARNESS } from './paths.ts';
import { readyKernel } from './ready.ts';
import { describeFailure, requireSuccess, runInGuest } from './run.ts';

/** Waiting for a turn on a shared machine counts, too. */
const BOOT_MS = process.env.DREG_MACHINE_LOCK ? 900_000 : 120_000;
/** The first use on a machine downloads two kernels. */
const SETUP_MS = 600_000 + BOOT_MS;

/** Processes, other than this one, whose command line holds `text`. */
function processesWith(text: string): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!(pid > 0) || pid === process.pid) continue;
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(text)) found.push(pid);
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 600) throw new Error(`${what}: not within a minute`);
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

function harnessTests(): void {
  test.each(PACKAGED_KERNELS)(
    'kernel %s: status, output, environment and files of a script come back',
    async (kernel) => {
      const result = await runInGuest({
        kernel,
        commands:
          'uname -r; pwd; echo "$1 and $EXTRA"; echo complaint >&2; mkdir $GUEST_OUT/deep\n' +
          'echo kept >$GUEST_OUT/deep/file; touch $GUEST_ROOT/written || exit 7\n',
        args: ["an 'argument'"],
        env: { EXTRA: "it's extra" },
      });
      expect(result.output.split('\n').slice(0, 4)).toEqual([
        (await readyKernel(kernel)).abi,
        CHECKOUT,
        "an 'argument' and it's extra",
        'complaint',
      ]);
      expect(result.files.get('deep/file')?.toString()).toBe('kept\n');
      // The machine's files cannot be written, so the script's last command failed.
      expect(existsSync(join(CHECKOUT, 'written'))).toBe(false);
      expect(result.status).toBe(7);
      expect(result.problems).toEqual(['exit status 7']);
      expect(result.ok).toBe(false);
      expect(() => requireSuccess(result)).toThrow(/exit status 7[\s\S]*Read-only file system/);
    },
    SETUP_MS,
  );

  test(
    'a WARNING in the log is a failure, though the script succeeds',
    async () => {
      const module = await complainModule();
      const result = await runInGuest({ modules: [`${module} how=warn`], commands: 'exit 0' });
      expect(result.status).toBe(0);
      expect(result.ok).toBe(false);
      expect(result.problems.join('\n')).toMatch(/kernel log: WARNING: WARNING:.*complain_init/);
    },
    SETUP_MS,
  );

  test(
    'a panic is a failure, and the last lines of the log say why',
    async () => {
      const module = await complainModule();
      const result = await runInGuest({
        commands: `echo before; insmod ${module} how=panic; echo after`,
      });
      expect(result.status).toBeUndefined();
      expect(result.boots).toBe(1);
      expect(result.output).toBe('before\n');
      expect(result.problems[0]).toMatch(/panic: Kernel panic.*complain: as asked/);
      expect(result.problems).toContain('the guest died before its script ended');
      expect(describeFailure(result)).toContain('Kernel panic - not syncing: complain: as asked');
    },
    BOOT_MS,
  );

  test(
    'a kernel that dies before anything has run is booted once more, and then is a failure',
    async () => {
      // Less than it needs to unpack what it boots from.
      const result = await runInGuest({ memoryMiB: 96, commands: 'echo up' });
      expect(result.boots).toBe(2);
      expect(result.output).toBe('');
      expect(result.problems[0]).toMatch(/panic: Kernel panic/);
      expect(result.problems).toContain('the guest died before its script ended');
    },
    2 * BOOT_MS,
  );

  test(
    'an oops is a failure',
    async () => {
      const module = await complainModule();
      const result = await runInGuest({ commands: `insmod ${module} how=oops; exit 0` });
      expect(result.ok).toBe(false);
      expect(result.problems.join('\n')).toMatch(/kernel log: oops: BUG: kernel NULL pointer/);
    },
    BOOT_MS,
  );

  test(
    'a hang is killed by the time-out and is a failure',
    async () => {
      const result = await runInGuest({
        commands: 'echo "last words" | tee /dev/kmsg; sleep 1000',
        timeoutSeconds: 30,
      });
      expect(result.status).toBeUndefined();
      expect(result.problems).toEqual(['the guest was killed after 30 s']);
      expect(result.output).toBe('last words\n');
      expect(describeFailure(result)).toContain('last words');
    },
    BOOT_MS,
  );

  test(
    'a guest that has to die: that it does is no failure, that it lives on is one',
    async () => {
      const commands = 'echo last; [ $HOW = lives ] || echo b >/proc/sysrq-trigger; sleep 1';
      const run = (how: string) => runInGuest({ dies: 0, commands, env: { HOW: how } });
      const dead = requireSuccess(await run('dies'));
      expect(dead.status).toBeUndefined();
      expect(dead.output).toBe('last\n');
      expect((await run('lives')).problems).toEqual(['the guest lived on, and should have died']);
    },
    BOOT_MS,
  );

  test(
    'a process left in the background does not hold the guest up',
    async () => {
      const result = await runInGuest({ commands: 'sleep 1000 &\necho done', timeoutSeconds: 60 });
      expect(requireSuccess(result).output).toBe('done\n');
    },
    BOOT_MS,
  );

  test(
    'a process that is killed leaves no guest, and the next run sweeps its folder',
    async () => {
      const cli = join(CHECKOUT, 'dist/test/guest/harness/cli.js');
      const owner = spawn(process.execPath, [cli, '--command', 'sleep 1000'], { stdio: 'ignore' });
      const ended = new Promise((resolve) => owner.once('close', resolve));
      const folder = `dreg-guest-${owner.pid}-`;
      const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith(folder));
      await until(() => processesWith(folder).length > 0, 'a guest');
      owner.kill('SIGKILL');
      await ended;
      await until(() => processesWith(folder).length === 0, 'the end of the guest');
      expect(folders()).toHaveLength(1);
      requireSuccess(await runInGuest({ commands: 'true' }));
      expect(folders()).toEqual([]);
    },
    BOOT_MS,
  );

  test(
    'two guests see each other, by IP and by RDMA',
    async () => {
      const result = requireSuccess(
        await runInGuest({ nodes: 2, memoryMiB: 1024, commands: MEET }),
      );
      const [first, second] = result.nodes;
      expect(first!.output).toMatch(/4008 bytes from 10\.77\.0\.2[\s\S]*1 of 2: 10\.77\.0\.2/);
      expect(second!.output).toMatch(/4008 bytes from 10\.77\.0\.1[\s\S]*0 of 2: 10\.77\.0\.1/);
      for (const node of [first!, second!]) expect(node.output).toMatch(/\b10 iters in\b/);
    },
    BOOT_MS,
  );
}

/** Both guests run it; neither leaves before the other has been answered. */
const MEET = `
other=$((1 - GUEST_NODE))
echo "$GUEST_NODE of $GUEST_NODES: $GUEST_ADDRESS" >$GUEST_SHARED/hello$GUEST_NODE
sh test/guest/rdma.sh eth0 || exit 1
touch $GUEST_SHARED/up$GUEST_NODE
until [ -e $GUEST_SHARED/up$other ]; do sleep 0.1; done
busybox ping -c 1 -W 30 -s 4000 $GUEST_PEER || exit 1
if [ $GUEST_NODE = 0 ]; then
  timeout 60 ibv_rc_pingpong -d rxe0 -g 1 -n 10 || exit 1
else
  # Until the other one listens.
  for try in 1 2 3 4 5 6 7 8 9 10; do
    timeout 60 ibv_rc_pingpong -d rxe0 -g 1 -n 10 $GUEST_PEER && break
    sleep 1
  done
fi
touch $GUEST_SHARED/seen$GUEST_NODE
until [ -e $GUEST_SHARED/seen$other ]; do sleep 0.1; done
cat $GUEST_SHARED/hello$other
`;

async function complainModule(): Promise<string> {
  const source = join(HARNESS, 'fixtures', 'complain');
  return buildModule(await readyKernel('6.1'), { source });
}

if (guestsCanRun('guest harness')) describe('guest harness', harnessTests);
