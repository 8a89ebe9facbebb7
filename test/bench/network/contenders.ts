/** Who is compared by bench:network: ours, and what this machine has of others. */
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { inPath } from '../environment.ts';
import { jsonLines } from '../p2p/programs.ts';
import { median } from '../p2p/spread.ts';
import { clientAndServer, command, type Place } from './places.ts';

export type Operation = 'pingpong' | 'allreduce';

export interface Figure {
  bytes: number;
  ns: number;
}

export interface Contender {
  readonly name: string;
  readonly operations: readonly Operation[];
  run(place: Place, operation: Operation, sizes: readonly number[]): Promise<Figure[]>;
}

const source = (name: string) => join(packageRoot(), 'test/bench/network', name);
const RANK = join(packageRoot(), 'dist/test/bench/network/rank.js');
const DREGRUN = join(packageRoot(), 'dist/bundle/dregrun.js');
const PORT = 47_600;

const figures = (text: string): Figure[] =>
  jsonLines(text).map(({ bytes, ns }) => ({ bytes: Number(bytes), ns: Number(ns) }));

/** Messages of one run: long enough that its beginning does not show in a mean. */
function iterations(bytes: number, { hosts }: Place): number {
  const far = hosts === null ? 1 : 20;
  if (bytes <= 65536) return (bytes <= 1024 ? 20_000 : 5000) / far;
  return (bytes > 1 << 20 ? 40 : 500) / Math.min(far, 4);
}

/** fi_pingpong prints means alone, which one interruption spoils: the median of so many runs counts. */
const MEANS = 3;

/** @param provider DREG_OFI_PROVIDER; undefined: the one that is chosen */
function ours(name: string, provider: string | undefined): Contender {
  const environment = {
    DREG_TRANSPORT: 'ofi',
    ...(provider !== undefined && { DREG_OFI_PROVIDER: provider }),
  };
  return {
    name,
    operations: ['pingpong', 'allreduce'],
    async run({ hosts }, operation, sizes) {
      const words = [RANK, operation, ...sizes.map(String)];
      const alone = ['-n', '2', '--bind-to', 'core', ...words];
      const start = hosts?.mpiexec({ ranks: 2, pinned: true, words });
      return figures(await command(start ?? [process.execPath, DREGRUN, ...alone], environment));
    },
  };
}

function echo(program: string): Contender {
  return {
    name: 'bare epoll echo',
    operations: ['pingpong'],
    async run(place, _, sizes) {
      const ask = [program, 'ask', place.address, String(PORT), ...sizes.map(String)];
      return figures(await clientAndServer(place, [program, 'serve', String(PORT)], ask));
    },
  };
}

function fiPingpong(provider: string): Contender {
  return {
    name: `fi_pingpong ${provider}`,
    operations: ['pingpong'],
    async run(place, _, sizes) {
      const found: Figure[] = [];
      for (const bytes of sizes) {
        const words = ['-e', 'rdm', '-p', provider, '-I', String(iterations(bytes, place))];
        const server = ['fi_pingpong', ...words, '-S', String(bytes)];
        const means: number[] = [];
        for (let run = 0; run < MEANS; run++) {
          const text = await clientAndServer(place, server, [...server, place.address]);
          const row = text.trim().split('\n').at(-1)!.trim().split(/\s+/);
          means.push(Number(row[6]) * 1000);
        }
        found.push({ bytes, ns: median(means) });
      }
      return found;
    },
  };
}

const ucx: Contender = {
  name: 'UCX tcp',
  operations: ['pingpong'],
  async run(place, _, sizes) {
    const found: Figure[] = [];
    for (const bytes of sizes) {
      const count = String(iterations(bytes, place));
      const test = ['-t', 'tag_lat', '-s', String(bytes), '-n', count, '-w', '20'];
      const server = ['ucx_perftest', ...test];
      const net = place.hosts === null ? 'lo' : 'eth0';
      const environment = { UCX_TLS: 'tcp', UCX_NET_DEVICES: net };
      const text = await clientAndServer(place, server, [...server, place.address], environment);
      const row = /^Final:\s+\S+\s+(\S+)/m.exec(text);
      found.push({ bytes, ns: Number(row?.[1]) * 1000 });
    }
    return found;
  },
};

function openMpi(program: string): Contender {
  return {
    name: 'Open MPI tcp',
    operations: ['pingpong', 'allreduce'],
    async run({ hosts }, operation, sizes) {
      const tcp = ['--mca', 'pml', 'ob1', '--mca', 'btl', 'tcp,self'];
      const words = ['mpirun.openmpi', '--allow-run-as-root', '-n', '2', ...tcp];
      const what = [program, operation, ...sizes.map(String)];
      if (hosts === null) return figures(await command([...words, '--bind-to', 'core', ...what]));
      const agent = ['--mca', 'plm_rsh_agent', hosts.agent, '--host', 'host0,host1'];
      const pinned = ['sh', '-c', 'exec taskset -c "$OMPI_COMM_WORLD_RANK" "$@"', 'sh', ...what];
      const all = [...words, ...agent, '--bind-to', 'none', ...pinned];
      return figures(await command(hosts.words('host0', all)));
    },
  };
}

/** Builds and finds them, and says who is absent. @param folder where programs are built */
export async function gather(folder: string, providers: readonly string[]): Promise<Contender[]> {
  const build = async (compiler: string, name: string) => {
    const program = join(folder, name);
    await command([compiler, '-O2', source(`${name}.c`), '-o', program]);
    return program;
  };
  const found = [ours('ours', undefined), echo(await build('cc', 'echo'))];
  const absent = (who: string, packages: string) =>
    console.error(`${who} is not here to compare with (Debian: apt-get install ${packages})`);
  if (inPath('fi_pingpong')) found.push(...providers.map(fiPingpong));
  else absent('fi_pingpong', 'libfabric-bin');
  if (inPath('mpicc.openmpi')) found.push(openMpi(await build('mpicc.openmpi', 'mpi')));
  else absent('Open MPI', 'openmpi-bin libopenmpi-dev');
  if (inPath('ucx_perftest')) found.push(ucx);
  else absent('UCX', 'ucx-utils');
  return found;
}
