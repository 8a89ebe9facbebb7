import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Kernel } from './kernels.ts';

export interface QemuOptions {
  kernel: Kernel;
  /** Shared with the guest, writable. */
  runFolder: string;
  node: number;
  nodes: number;
  memoryMiB: number;
  /** One processor at a time, and a clock that goes on by 1 ns with each instruction. */
  countInstructions: boolean;
  /** Takes what the guest prints on its console: the kernel's warnings and worse. */
  consolePath: string;
  /** QEMU's own complaints. */
  errorPath: string;
}

/** RoCE with a 4096-byte path MTU, and its headers, fit. */
const NETWORK_MTU = 4200;

/**
 * `loglevel=5` shows warnings and worse, so that a guest that dies has said why. The stall and
 * lock-up detectors get more time than on a real machine: the emulated one is 3 to 20 times slower.
 */
const KERNEL_ARGUMENTS = [
  'console=ttyS0',
  'panic=-1',
  'loglevel=5',
  'log_buf_len=4M',
  'mitigations=off',
  'nokaslr',
  'random.trust_cpu=on',
  'rcupdate.rcu_cpu_stall_timeout=240',
  'watchdog_thresh=60',
];

function folderDevice(id: string, path: string, tag: string, extra: string): string[] {
  return [
    '-fsdev',
    `local,id=${id},path=${path.replaceAll(',', ',,')},security_model=none,multidevs=remap${extra}`,
    '-device',
    `virtio-9p-pci,fsdev=${id},mount_tag=${tag}`,
  ];
}

/** The two guests' network: a Unix socket in the run folder, the first guest listens. */
function networkDevice(options: QemuOptions): string[] {
  if (options.nodes === 1) return [];
  const socket = `${options.runFolder}/network`.replaceAll(',', ',,');
  const server = options.node === 0 ? 'on' : 'off';
  return [
    '-netdev',
    `stream,id=net0,server=${server},addr.type=unix,addr.path=${socket}`,
    '-device',
    `virtio-net-pci,netdev=net0,mac=52:54:00:77:00:0${options.node + 1},host_mtu=${NETWORK_MTU}`,
  ];
}

/** Named explicitly: where /dev/kvm exists it may still be of no use. */
function processors(countInstructions: boolean): string[] {
  const accelerator = countInstructions
    ? ['-accel', 'tcg,thread=single', '-icount', 'shift=0']
    : ['-accel', 'tcg,thread=multi'];
  return [...accelerator, '-cpu', 'max,la57=off', '-smp', '2'];
}

export function qemuArguments(options: QemuOptions): string[] {
  return [
    ...processors(options.countInstructions),
    ...['-M', 'q35', '-m', String(options.memoryMiB)],
    ...['-nodefaults', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
    ...['-kernel', options.kernel.image, '-initrd', options.kernel.initramfs],
    ...['-append', [...KERNEL_ARGUMENTS, `guest.node=${options.node}`].join(' ')],
    ...folderDevice('fs0', '/', 'host', ',readonly=on'),
    ...folderDevice('fs1', options.runFolder, 'out', ''),
    ...networkDevice(options),
  ];
}

/** Every QEMU of this process; killed at its exit, should a caller forget. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Starts a guest. The kernel kills QEMU when this process dies, even by SIGKILL (`--pdeathsig`):
 * no way of ending a test leaves a guest behind.
 */
export function startQemu(options: QemuOptions): ChildProcess {
  const console = openSync(options.consolePath, 'w');
  const error = openSync(options.errorPath, 'w');
  const args = ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...qemuArguments(options)];
  const child = spawn('setpriv', args, { stdio: ['ignore', console, error] });
  closeSync(console);
  closeSync(error);
  running.add(child);
  child.once('close', () => running.delete(child));
  return child;
}
