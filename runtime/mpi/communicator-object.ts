/** What all communicators have: a group, a name, attributes, and an end (MPI 4.1, 7.4 to 7.8, 9.3). */
import { inWords } from '../base/bytes.ts';
import { MpiError } from '../base/error.ts';
import type { ContextPair, Members } from '../messaging/contexts/pair.ts';
import type { Engine } from '../messaging/engine.ts';
import { Attributes, Copies } from './attributes.ts';
import { checkHandling, type ErrorHandling, throwErrors, watchErrors } from './errors.ts';
import type { Group } from './group.ts';
import { PointToPoint } from './point-to-point/point-to-point.ts';
import type { Session } from './session.ts';

export abstract class CommunicatorObject extends PointToPoint implements Disposable {
  /** How many ranks the group has (MPI_Comm_size; MPI 4.1, 7.4.1). */
  readonly size: number;
  /** This process's group (MPI_Comm_group; MPI 4.1, 7.3.2). */
  readonly group: Group;
  #name: string;
  /** Made when it is first asked for: most communicators have none. */
  #attributes: Attributes | null = null;
  #errors: ErrorHandling = 'throw';

  /** @internal @param pair its contexts; null for the world. @param members those whom a call can name */
  constructor(
    engine: Engine,
    pair: ContextPair | null,
    group: Group,
    members: Members,
    session: Session,
    name: string,
  ) {
    super(engine, pair, members, group.rank, session);
    this.group = group;
    this.size = group.size;
    this.#name = name;
    this.endpoint.name = this.label();
  }

  /**
   * What the program keeps with the communicator (MPI 4.1, 7.7), under keys of any kind. Under an
   * {@link AttributeKey} the key says what `dup` and `free` do with the value; what is kept under any other is
   * not copied.
   */
  get attributes(): Attributes {
    this.#attributes ??= new Attributes();
    return this.#attributes;
  }

  /** @internal What a duplicate gets. */
  protected copyAttributes(): Copies {
    return this.#attributes?.copies() ?? new Copies();
  }

  /**
   * For people who debug (MPI_Comm_set_name; MPI 4.1, 7.8): a name of this rank's own, empty at first. The
   * world is `MPI.world`, this rank alone `MPI.self`.
   * @throws MpiError ERR_ARG where it is no string
   */
  get name(): string {
    return this.#name;
  }

  set name(name: string) {
    if (typeof name !== 'string')
      throw new MpiError('ERR_ARG', `${inWords(name)} is no name of a communicator: pass a string`);
    this.#name = name;
    this.endpoint.name = this.label();
  }

  /**
   * What becomes of an error in a call on this communicator (MPI_Comm_set_errhandler; MPI 4.1, 9.3): 'throw'
   * (at first), or 'abort', which ends the whole job with the error's message. It holds for what the calls give from now on, too:
   * messages, loops, `objects()`, persistent operations. Communicators that are made
   * from this one begin with the same. A choice of this rank's own.
   * @throws MpiError ERR_ARG where it is another value
   */
  get errors(): ErrorHandling {
    return this.#errors;
  }

  set errors(handling: ErrorHandling) {
    checkHandling(handling);
    if (handling === this.#errors) return;
    this.#errors = handling;
    const { session, engine } = this.endpoint;
    for (const object of [this, ...this.makers])
      if (handling === 'throw') throwErrors(object);
      else
        watchErrors(object, ({ message }) => {
          // What was made before, such as `objects()`, asks for the choice of now.
          if (this.#errors === 'abort')
            session.abort(1, `an error on ${this.label()} of rank ${engine.rank}: ${message}`);
        });
  }

  /** @internal Objects of its own that make operations, whose errors are the communicator's. */
  protected get makers(): readonly object[] {
    return [this.persistent];
  }

  /** @internal How messages call it. */
  label(): string {
    return this.#name === '' ? `a communicator of ${this.size} ranks` : this.#name;
  }

  /**
   * Gives the communicator up (MPI_Comm_free; MPI 4.1, 7.4.3). Each rank does so for itself, at any time; nothing is
   * sent. What was started goes on to its end. A message that meets no receive of this rank any more is
   * dropped. The attributes are deleted, those that were kept last first.
   *
   * Freeing it a second time does nothing. `using comm = await world.dup()` frees it at the end of the block.
   * @throws MpiError ERR_ARG where it is `MPI.world` or `MPI.self`, which MPI.finalize() ends; what a hook of an attribute throws,
   *   once all is given up
   */
  free(): void {
    const { endpoint } = this;
    if (endpoint.freed) return;
    endpoint.session.checkAlive();
    if (endpoint.permanent)
      throw new MpiError('ERR_ARG', `${this.#name} cannot be freed: MPI.finalize() ends it`);
    endpoint.freed = true;
    this.giveUp();
    this.#attributes?.clear();
  }

  /** @internal Its contexts go. */
  protected giveUp(): void {
    const { engine, pair } = this.endpoint;
    if (pair !== null) engine.receiving.contexts.close(pair);
  }

  /** `free()`, at the end of a block (`using`); nothing where the job has ended. */
  [Symbol.dispose](): void {
    if (this.endpoint.session.ended) return;
    this.free();
  }

  /**
   * Ends the whole job at once (MPI_Abort; MPI 4.1, 9.7).
   * @param code the launcher's status
   * @throws MpiError ERR_ARG where `code` is no integer
   */
  abort(code = 1): never {
    const { engine, session } = this.endpoint;
    session.checkAlive();
    if (!Number.isInteger(code))
      throw new MpiError('ERR_ARG', `abort: the code ${inWords(code)} is no integer`);
    return session.abort(code, `abort(${code}) on ${this.label()} of rank ${engine.rank}`);
  }
}
