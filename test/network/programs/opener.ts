/** Opens hosts, says where they are, and never closes them. */
import { openHosts } from '../hosts.ts';

const hosts = await openHosts();
const [first, second] = await Promise.all(
  (['host0', 'host1'] as const).map((host) => hosts.run(host, 'readlink', '/proc/self/ns/net')),
);

console.log([hosts.folder, first.trim(), second.trim()].join(' '));
// Something that runs there must not keep them.
await hosts.run('host1', 'sleep', 'infinity');
