/** Rule R2 by construction: nobody but the manager can name a registration. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import * as memory from '../../../../runtime/memory/index.ts';

const root = packageRoot();

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

/** Files by which keys could be seen or operations posted. */
const INNER = /from '[^']*\/memory\/(gate|cache|region|lease|slow|bounce|transfer)\.ts'/;

/** Domains of the manager that live with the device they register for. */
const OFI_DOMAIN = 'transports/ofi/rdma/domain.ts';
const VERBS_DOMAIN = 'transports/verbs/rdma/domain.ts';
const DOMAINS = [OFI_DOMAIN, VERBS_DOMAIN];

test('outside of runtime/memory/ nothing imports what holds keys', () => {
  const outside = [...sources('runtime'), ...sources('transports'), ...sources('examples')].filter(
    (file) => !file.startsWith('runtime/memory/') && !DOMAINS.includes(file),
  );
  expect(outside.length).toBeGreaterThan(20);
  const found = outside.filter((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    return INNER.test(text) || /\bDomainPort\b|omain\.attach\(/.test(text);
  });
  expect(found).toEqual([]);
});

test('inside, the port of a domain posts from one file only', () => {
  const posting = sources('runtime/memory').filter((file) =>
    /#?port\.post\(/.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(posting).toEqual(['runtime/memory/gate.ts']);
});

test('RDMA operations on registered memory are posted from the domain only', () => {
  const posting = [...sources('runtime'), ...sources('transports')].filter((file) =>
    /\.rdma\(|verbsPost\(|queue\.rma\(|ofiRma\(/.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(posting.sort()).toEqual([
    'transports/ofi/device/queue.ts',
    OFI_DOMAIN,
    'transports/verbs/connect/datagram.ts',
    'transports/verbs/device/queue-pair.ts',
    VERBS_DOMAIN,
  ]);
});

test('the package exports nothing that names a registration', () => {
  expect(Object.keys(memory).sort()).toEqual([
    'ACCESS',
    'MONITORS',
    'MpiError',
    'PinnedMemoryManager',
    'UringDomain',
    'openMonitor',
    'uringRead',
    'uringSend',
    'uringWrite',
  ]);
});
