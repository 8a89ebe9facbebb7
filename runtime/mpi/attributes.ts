/** What a program keeps with a communicator (MPI 4.1, 7.7). */
import { inWords } from '../base/bytes.ts';
import { MpiError } from '../base/error.ts';

/** What becomes of a value that is kept under an {@link AttributeKey}. */
export interface AttributeHooks<Value> {
  /**
   * Called by `dup`, before anything is sent: what the new communicator has. `undefined`: nothing. Without it
   * nothing is copied.
   */
  copy?: (value: Value) => Value | undefined;
  /** Called when the value goes: it is deleted, another takes its place, or the communicator is freed. */
  free?: (value: Value) => void;
}

/**
 * A key for a communicator's attributes that says what becomes of their values
 * (MPI_Comm_create_keyval; MPI 4.1, 7.7.2):
 *
 *     const plans = new AttributeKey<Plan>({ copy: (plan) => plan.clone(), free: (plan) => plan.close() });
 *     comm.attributes.set(plans, new Plan(comm.size));
 *
 * Anything else can be a key, too. What is kept under it is not copied, and is just forgotten.
 *
 * @typeParam Value what is kept under the key
 */
export class AttributeKey<Value = unknown> {
  /** @internal */
  readonly hooks: AttributeHooks<Value>;

  /**
   * Makes a key.
   * @param hooks what `dup` and `free` do
   * @throws MpiError ERR_ARG where it is no object, or one of them no function
   */
  constructor(hooks: AttributeHooks<Value> = {}) {
    if (typeof hooks !== 'object' || hooks === null)
      throw new MpiError(
        'ERR_ARG',
        `${inWords(hooks)} has no hooks: pass { copy, free }, or nothing`,
      );
    const { copy, free } = hooks;
    for (const hook of [copy, free])
      if (hook !== undefined && typeof hook !== 'function')
        throw new MpiError('ERR_ARG', `${inWords(hook)} is no function that copies or frees`);
    this.hooks = { ...(copy && { copy }), ...(free && { free }) };
  }
}

/** A Map of what a program keeps with a communicator; see {@link AttributeKey}. */
export class Attributes extends Map<unknown, unknown> {
  /**
   * What is kept under a key (MPI_Comm_get_attr; MPI 4.1, 7.7.2); undefined: nothing.
   * @throws nothing
   */
  override get<Value>(key: AttributeKey<Value>): Value | undefined;
  override get(key: unknown): unknown;
  override get(key: unknown): unknown {
    return super.get(key);
  }

  /**
   * Keeps a value under a key (MPI_Comm_set_attr; MPI 4.1, 7.7.2). What was there before goes, and its key's
   * `free` is called.
   * @throws what `free` throws, when the new value is there
   */
  override set<Value>(key: AttributeKey<Value>, value: Value): this;
  override set(key: unknown, value: unknown): this;
  override set(key: unknown, value: unknown): this {
    const before = super.get(key);
    const replaced = super.has(key) && before !== value;
    super.set(key, value);
    if (replaced) free(key, before);
    return this;
  }

  /**
   * Deletes what is kept under a key (MPI_Comm_delete_attr; MPI 4.1, 7.7.2), and calls the key's `free`.
   * @returns whether there was anything
   * @throws what `free` throws, when the value is gone
   */
  override delete(key: unknown): boolean {
    const value = super.get(key);
    if (!super.delete(key)) return false;
    free(key, value);
    return true;
  }

  /** Deletes all, those that were kept last first. @throws what the first hook that fails throws, when all are gone */
  override clear(): void {
    const errors: unknown[] = [];
    for (const key of [...this.keys()].reverse())
      try {
        this.delete(key);
      } catch (error) {
        errors.push(error);
      }
    if (errors.length > 0) throw errors[0];
  }

  /** @internal What a duplicate gets. */
  copies(): Copies {
    const copies = new Copies();
    try {
      for (const [key, value] of this) {
        const copy = key instanceof AttributeKey ? key.hooks.copy?.(value) : undefined;
        if (copy !== undefined) copies.made.push([key, copy]);
      }
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : inWords(cause);
      copies.error = new MpiError('ERR_ARG', `an attribute could not be copied: ${why}`, { cause });
    }
    return copies;
  }
}

/** Attributes of a duplicate that is being made. */
export class Copies {
  readonly made: [key: unknown, value: unknown][] = [];
  /** What a hook threw. */
  error: MpiError | null = null;

  moveTo(attributes: Attributes): void {
    for (const [key, value] of this.made) attributes.set(key, value);
  }

  /** There is no duplicate. */
  free(): void {
    const unused = new Attributes();
    this.moveTo(unused);
    unused.clear();
  }
}

function free(key: unknown, value: unknown): void {
  if (key instanceof AttributeKey) key.hooks.free?.(value);
}
