import { join } from 'node:path';
import { buildSelftests } from '../harness/modules.ts';
import type { SuiteModule, SuiteProgram } from '../harness/suite.ts';

/** The module with its switches (kernel/testing.h), set by parameters. */
const testBuild = (parameters = ''): SuiteModule => ({
  variables: { DREG_TEST: '1' },
  parameters,
});

/** A software RDMA device, made once in a guest. */
const RDMA = '[ -e /sys/class/infiniband/rxe0 ] || sh test/guest/rdma.sh lo';

/** So that user_delta passes 2^32 while the test runs. */
const BEFORE_WRAP = 2n ** 32n - 296n;

/** A delay far above that of any call: longer than a tick, shorter than a time slice. */
const LATE_US = 20_000;

/** Bits are the kernel's enum mmu_notifier_event. */
const ALL_EVENTS = 0xff;
const NOT_UNMAP = ALL_EVENTS & ~0b1_1101;
const NOT_CLEAR = ALL_EVENTS & ~0b1_1110;

/** Enough for a broken module to be found out. */
const FEW_ROUNDS = ['--rounds', '2000'];

/** The same operations each time; without it they are others each time. */
const SEED = ['--seed', '1'];

/** Each is forked with 600 mappings, in an emulated kernel. */
const FEW_PROCESSES = ['--rounds', '40'];

/** Ten threads on two emulated processors: on a busy machine they take long. */
const STRESS = { timeoutSeconds: 600 };

/** 20,000 operations and as many looks at the page tables. */
const COMPARE = { timeoutSeconds: 900 };

type Make = (name: string, more?: Partial<SuiteProgram>, args?: string[]) => SuiteProgram;

/** `name` may go on after the program's own: "race_ring, user_delta past 2^32". */
async function maker(): Promise<Make> {
  const folder = await buildSelftests();
  return (name, more = {}, args = []) => {
    const program = name.replace(/\W.*/, '');
    return { name, command: [join(folder, program), ...args], ...more };
  };
}

/** Every row of what can happen to monitored memory, and the rules of the interface. */
export async function scenarioPrograms(processes: string[] = []): Promise<SuiteProgram[]> {
  const make = await maker();
  const withRdma = ['map', 'advise', 'files', 'protect', 'huge', 'migrate', 'process'];
  return [
    ...withRdma.map((name) => make(name, { before: RDMA })),
    make('ending'),
    make('calls'),
    make('notify'),
    make('observe'),
    make('quiet'),
    make('child'),
    make('signals', STRESS, processes),
    make('limits'),
    make('holdup', STRESS),
  ];
}

/** Many threads, and random calls. */
export async function stressPrograms(): Promise<SuiteProgram[]> {
  const make = await maker();
  return [
    make('race_munmap', STRESS),
    make('race_reuse', { before: RDMA, ...STRESS }),
    make('race_ring', STRESS),
    make('race_flight', STRESS),
    make('fuzz'),
    make('compare', COMPARE),
  ];
}

/** Another library's registration cache over the module, on a device that librdmacm works on. */
export async function libraryPrograms(): Promise<SuiteProgram[]> {
  const make = await maker();
  const before = '[ -e /sys/class/infiniband/rxe1 ] || sh test/guest/rdma.sh dummy0 rxe1';
  return [make('ofi', { before, ...STRESS }, ['10.78.0.1'])];
}

/** Each scenario, and each kind of stress for a short time. */
export async function quickPrograms(): Promise<SuiteProgram[]> {
  const make = await maker();
  return [
    ...(await scenarioPrograms(FEW_PROCESSES)),
    make('race_munmap', STRESS, [...FEW_ROUNDS, ...SEED]),
    make('race_ring', STRESS, [...FEW_ROUNDS, ...SEED]),
    make('fuzz', STRESS, SEED),
    make('compare', COMPARE, SEED),
  ];
}

/**
 * What takes long: as many random operations as a review once did, and more. They are others each time, so
 * that several shorter runs (DREG_COMPARE_OPERATIONS) show as much as one.
 */
export async function longPrograms(): Promise<SuiteProgram[]> {
  const make = await maker();
  const operations = process.env.DREG_COMPARE_OPERATIONS ?? '1000000';
  const limit = { timeoutSeconds: 14_400 };
  return [make(`compare, ${operations} operations`, limit, ['--rounds', operations])];
}

/** What only a module built for tests can show. */
export async function testBuildPrograms(): Promise<SuiteProgram[]> {
  const make = await maker();
  const module = testBuild(`test_delta_start=${BEFORE_WRAP}`);
  return [
    make('faults', { module: testBuild() }),
    make('race_ring, user_delta past 2^32', { module, ...STRESS }),
    make('notify, user_delta past 2^32', { module }),
  ];
}

/** Modules that are broken on purpose, each with the claim that must notice it. */
export async function brokenPrograms(): Promise<SuiteProgram[]> {
  const make = await maker();
  const late = testBuild(`test_late_us=${LATE_US}`);
  const held = testBuild('test_hold_delta=1');
  const fires = (mask: number) => testBuild(`test_fire_mask=${mask}`);
  const unkillable = testBuild('test_unkillable=1');
  const flagLate = /when .* has returned, the flag is set/;
  return [
    make('race_munmap, late flag', { module: late, mustFail: flagLate }, FEW_ROUNDS),
    // Of its rounds only some meet a move: as many as of a module that is not broken.
    make('race_reuse, late flag', {
      module: late,
      mustFail: /another page is never there while the flag is down/,
      ...STRESS,
    }),
    make('race_ring, late flag', { module: late, mustFail: flagLate }, FEW_ROUNDS),
    make(
      'race_munmap, held user_delta',
      { module: held, mustFail: /user_delta counts what UNMONITOR reports/ },
      FEW_ROUNDS,
    ),
    make(
      'race_ring, held user_delta',
      { module: held, mustFail: /when the call has returned, user_delta has moved/ },
      FEW_ROUNDS,
    ),
    make('fuzz, unmap not seen', { module: fires(NOT_UNMAP), mustFail: /model and module agree/ }),
    make(
      'compare, unmap not seen',
      {
        module: fires(NOT_UNMAP),
        mustFail: /no change goes unnoticed/,
      },
      FEW_ROUNDS,
    ),
    make(
      'compare, every event fires',
      {
        module: fires(ALL_EVENTS),
        mustFail: /nothing fires that has no cause/,
      },
      FEW_ROUNDS,
    ),
    make(
      'signals, unkillable, another context',
      { module: unkillable, mustFail: /killed .* another context/, ...STRESS },
      FEW_PROCESSES,
    ),
    make(
      'signals, unkillable, its own context',
      { module: unkillable, mustFail: /killed .* its own context/, ...STRESS },
      FEW_PROCESSES,
    ),
    make('map, unmap not seen', {
      module: fires(NOT_UNMAP),
      before: RDMA,
      mustFail: /row 1.*: fires/,
    }),
    make('advise, clear not seen', {
      module: fires(NOT_CLEAR),
      before: RDMA,
      mustFail: /row 10.*: fires/,
    }),
    make('protect, every event fires', {
      module: fires(ALL_EVENTS),
      before: RDMA,
      mustFail: /row 14.*does not fire/,
    }),
  ];
}

/**
 * Sizes for a kernel that checks each access and each lock, an order of magnitude slower: there its reports are
 * looked for, which need each path and not each chance.
 */
const DEBUG_SIZES: Record<string, string[]> = {
  compare: ['--rounds', '4000'],
  fuzz: ['--rounds', '20000'],
  holdup: ['--ranges', '65536'],
  race_flight: ['--rounds', '3'],
  race_munmap: ['--rounds', '500'],
  race_reuse: ['--rounds', '2000'],
  race_ring: ['--rounds', '500'],
  signals: ['--rounds', '20', '--ranges', '65535'],
};

/** All that a module which is not broken on purpose has to pass, in sizes for a debug kernel; then the broken. */
export async function debugPrograms(): Promise<SuiteProgram[]> {
  return (await selftestPrograms()).map((program) => {
    const size = program.mustFail ? [] : (DEBUG_SIZES[program.name.replace(/\W.*/, '')] ?? []);
    return { ...program, command: [...program.command, ...size] };
  });
}

/** All of them, for whoever runs them in a kernel of another kind. */
export async function selftestPrograms(): Promise<SuiteProgram[]> {
  return [
    ...(await scenarioPrograms()),
    ...(await stressPrograms()),
    ...(await libraryPrograms()),
    ...(await testBuildPrograms()),
    ...(await brokenPrograms()),
  ];
}
