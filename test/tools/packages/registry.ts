/** A registry of npm packages on this machine: tarballs that are not published, and else what a public one has. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';

interface Manifest {
  name: string;
  version: string;
}

interface Tarball {
  manifest: Manifest;
  bytes: Buffer;
}

function readTarball(file: string): Tarball {
  const text = execFileSync('tar', ['xOf', file, 'package/package.json'], { encoding: 'utf8' });
  return { manifest: JSON.parse(text), bytes: readFileSync(file) };
}

export class Registry {
  readonly #server: Server;
  /** By the path in their address. */
  readonly #tarballs: Map<string, Tarball>;
  readonly #upstream: string | undefined;

  /** @param upstream asked for what is not among the tarballs; without it there is nothing else */
  static async open(tarballs: readonly string[], upstream?: string): Promise<Registry> {
    const registry = new Registry(tarballs, upstream);
    registry.#server.listen(0, '127.0.0.1');
    await once(registry.#server, 'listening');
    return registry;
  }

  private constructor(tarballs: readonly string[], upstream: string | undefined) {
    this.#tarballs = new Map(tarballs.map((file) => [`/${basename(file)}`, readTarball(file)]));
    this.#upstream = upstream;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error) => {
        response.writeHead(502).end(String(error));
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url!;
    const tarball = this.#tarballs.get(path);
    if (tarball) {
      response.writeHead(200).end(tarball.bytes);
      return;
    }
    const own = this.#documentOf(decodeURIComponent(path.slice(1)));
    if (own) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(own));
      return;
    }
    if (this.#upstream === undefined) {
      response.writeHead(404).end('{}');
      return;
    }
    // Asked for less, a registry says less of a package.
    const { accept = '*/*' } = request.headers;
    const found = await fetch(new URL(path, this.#upstream), { headers: { accept } });
    response.writeHead(found.status, { 'content-type': found.headers.get('content-type') ?? '' });
    response.end(Buffer.from(await found.arrayBuffer()));
  }

  /** What a registry says of a package. */
  #documentOf(name: string): object | undefined {
    for (const [path, { manifest, bytes }] of this.#tarballs) {
      if (manifest.name !== name) continue;
      const sum = (algorithm: string) => createHash(algorithm).update(bytes);
      const dist = {
        tarball: this.url + path,
        integrity: `sha512-${sum('sha512').digest('base64')}`,
        shasum: sum('sha1').digest('hex'),
      };
      const { version } = manifest;
      return {
        name,
        'dist-tags': { latest: version },
        versions: { [version]: { ...manifest, dist } },
        time: { [version]: '2020-01-01T00:00:00.000Z' },
      };
    }
    return undefined;
  }
}
