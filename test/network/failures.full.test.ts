/** What two ranks hear when the network between them, or one of them, fails. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { program } from '../jobs/run.ts';
import { type Running, until } from '../tools/launcher.ts';
import { ADDRESS, type HostName, type Hosts, openHosts } from './hosts.ts';
import { needHosts, startOn } from './support.ts';

const able = needHosts();
/** Within so many milliseconds a rank hears that its peer has failed. */
const HEARD_MS = 5000;

let hosts: Hosts;
beforeEach(async () => {
  if (able) hosts = await openHosts();
});
afterEach(() => hosts?.close());

/** Starts both ranks; the process of each, by rank, once both are under way. */
async function startBoth(what: string, timeoutMs = 0): Promise<[Running, string[]]> {
  const words = [program('network/programs/failing'), what, String(timeoutMs)];
  const running = startOn(hosts, { ranks: 2, words, survive: true });
  const said = () => [...running.seen().matchAll(/^rank (\d) under way (\d+)$/gm)];
  await until('both ranks are under way', () => said().length === 2);
  return [
    running,
    said()
      .sort()
      .map(([, , pid]) => pid),
  ];
}

interface Heard {
  code: string;
  peer: number;
  at: number;
  message: string;
}

async function heardBy(running: Running, rank: number): Promise<Heard> {
  const line = new RegExp(`^rank ${rank} (ERR_\\w+) (\\d) (\\d+) (.*)$`, 'm');
  await until(`rank ${rank} has heard`, () => line.test(running.seen()));
  const [, code, peer, at, message] = line.exec(running.seen()) as RegExpExecArray;
  return { code, peer: Number(peer), at: Number(at), message };
}

/** The error names the provider and both ends. */
function expectFailed(heard: Heard, host: HostName, peer: HostName, since: number): void {
  expect(heard).toMatchObject({ code: 'ERR_PEER_FAILED', peer: Number(peer.at(-1)) });
  expect(heard.message).toContain(`net at ${ADDRESS[host]}`);
  expect(heard.message).toContain(`${ADDRESS[peer]}:`);
  expect(heard.at - since).toBeLessThan(HEARD_MS);
}

describe.each(['stream', 'idle'])('ranks that %s', (what) => {
  test('the network is cut: both hear of it', async () => {
    const [running] = await startBoth(what);
    const since = Date.now();
    await hosts.silence('host1');
    expectFailed(await heardBy(running, 0), 'host0', 'host1', since);
    expectFailed(await heardBy(running, 1), 'host1', 'host0', since);
  });

  test('a peer is killed: the other hears of it', async () => {
    const [running, pids] = await startBoth(what);
    const since = Date.now();
    await hosts.run('host1', 'kill', '-KILL', pids[1]);
    expectFailed(await heardBy(running, 0), 'host0', 'host1', since);
  });

  test('a peer is stopped: it has not failed, and comm.timeout ends the wait', async () => {
    const [running, pids] = await startBoth(what, 8000);
    await hosts.run('host1', 'kill', '-STOP', pids[1]);
    expect(await heardBy(running, 0)).toMatchObject({ code: 'ERR_TIMEOUT' });
    await hosts.run('host1', 'kill', '-CONT', pids[1]);
  });
});

test('a peer that no connection reaches', async () => {
  const [running] = await startBoth('contact');
  await hosts.silence('host1');
  const heard = await heardBy(running, 0);
  expect(heard).toMatchObject({ code: 'ERR_UNREACHABLE', peer: 1 });
  expect(heard.message).toContain(`net at ${ADDRESS.host0}`);
  expect(heard.message).toContain(`${ADDRESS.host1}:`);
});

test('a network that is away for a moment loses nothing', async () => {
  const [running] = await startBoth('idle', 12_000);
  await hosts.silence('host1');
  await sleep(1000);
  await hosts.speak('host1');
  expect(await heardBy(running, 0)).toMatchObject({ code: 'ERR_TIMEOUT' });
});
