/**
 * The one place from which operations that name a registration reach a domain (rule R2): look, then
 * the region's own flag, then post. Nothing else holds the port's `post`.
 */
import { MpiError } from '../base/error.ts';
import type { RegistrationCache } from './cache.ts';
import { type DomainPort, NO_KEY, type Operation } from './domain.ts';
import type { Region } from './region.ts';

/** The answer of {@link Gate.post} where the region's memory has changed: nothing was posted. */
export const STALE = -0x4000_0000;

export class Gate<O extends Operation> {
  readonly #cache: RegistrationCache;
  readonly #port: DomainPort<O>;

  constructor(cache: RegistrationCache, port: DomainPort<O>) {
    this.#cache = cache;
    this.#port = port;
  }

  /** STALE, or the domain's answer. */
  post(operation: O, region: Region, address: number, length: number): number {
    this.check(region);
    if (!region.valid) return STALE;
    return this.#port.post(operation, region.key, address, length);
  }

  /** Posts what names no registration; the domain can do so where its `plain` says it. */
  postPlain(operation: O, address: number, length: number): number {
    return this.#port.post(operation, NO_KEY, address, length);
  }

  protected check(_region: Region): void {
    this.#cache.look();
  }
}

/** What the test build counts. */
export class Audit {
  posts = 0;
  checks = 0;
  /** Looks that found the region stale, after which nothing was posted. */
  refused = 0;

  get counts(): { posts: number; checks: number; refused: number } {
    return { posts: this.posts, checks: this.checks, refused: this.refused };
  }

  /** Every look has led to one post or one refusal, and every post had its own look. */
  assertEqual(): void {
    if (this.checks === this.posts + this.refused) return;
    throw new MpiError(
      'ERR_INTERNAL',
      `${this.posts} operations posted and ${this.refused} refused after ${this.checks} looks at user_delta`,
    );
  }
}

/** The gate of the test build: counts its looks. */
class AuditedGate<O extends Operation> extends Gate<O> {
  readonly #audit: Audit;

  constructor(cache: RegistrationCache, port: DomainPort<O>, audit: Audit) {
    super(cache, port);
    this.#audit = audit;
  }

  protected override check(region: Region): void {
    super.check(region);
    this.#audit.checks += 1;
    if (!region.valid) this.#audit.refused += 1;
  }
}

export function openGate<O extends Operation>(
  cache: RegistrationCache,
  port: DomainPort<O>,
  audit: Audit | undefined,
): Gate<O> {
  return audit === undefined ? new Gate(cache, port) : new AuditedGate(cache, port, audit);
}

/** The port of the test build: counts what is posted, whoever posts it, and compares. */
export function auditedPort<O extends Operation>(port: DomainPort<O>, audit: Audit): DomainPort<O> {
  return {
    name: port.name,
    regionsMax: port.regionsMax,
    regionBytesMax: port.regionBytesMax,
    plain: port.plain,
    deregisterWhilePosted: port.deregisterWhilePosted,
    register: (address, length, access) => port.register(address, length, access),
    deregister: (key) => port.deregister(key),
    post: (operation, key, address, length) => {
      if (key !== NO_KEY) {
        audit.posts += 1;
        audit.assertEqual();
      }
      return port.post(operation, key, address, length);
    },
    piece: (operation, offset, length, done) => port.piece(operation, offset, length, done),
    close: () => port.close(),
  };
}
