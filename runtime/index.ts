/**
 * The calls of `dreg-mpi`.
 *
 * Most operations come twice. `send` gives a promise, and the event loop goes on. `sendSync` has the same
 * arguments and blocks the thread. Bad arguments reject the promise of the first form, and the second form
 * throws them. The order of calls is the order of operations: an operation begins when it is called, not
 * when it is awaited.
 *
 * - A *buffer* is a typed array, a `DataView`, an `ArrayBuffer` or a `SharedArrayBuffer`. A view's offset and
 *   length count. The buffer belongs to the operation until the operation has ended
 *   ([buffers](../guide/buffers.md)).
 * - A *rank* is a number from 0 to `size - 1` of the communicator. {@link PROC_NULL} is nobody.
 * - A *tag* is an integer from 0 to {@link TAG_UB}.
 * - Lengths in the names of properties and parameters are bytes, unless the name says elements.
 * - Every error is an {@link MpiError} with one of the [codes](errors.md). Each call names the codes that are
 *   its own. Besides, any call that uses MPI may throw `ERR_FINALIZED`, and the first one what
 *   {@link MPI.init} throws.
 * - Each name has an example, which the tests run with two ranks. There `world` is `MPI.world`, `rank` the rank that runs
 *   it, `other` the other rank, and `assert` Node's `node:assert/strict`.
 */

export type { SharedMemory } from '../transports/shm/heap.ts';
export { ANY_SOURCE, ANY_TAG, PROC_NULL, ROOT, TAG_UB } from './base/constants.ts';
export type { ErrorCode, ErrorDetails } from './base/error.ts';
export { ERROR_CODES, MpiError } from './base/error.ts';
export { type AttributeHooks, AttributeKey, Attributes } from './mpi/attributes.ts';
export { IN_PLACE, type InPlace } from './mpi/collective/arguments.ts';
export type { AnyBlocks, Blocks } from './mpi/collective/blocks.ts';
export type { CollectiveObjects } from './mpi/collective/objects.ts';
export {
  AVG,
  BAND,
  BOR,
  BXOR,
  bf16,
  f16,
  LAND,
  LOR,
  LXOR,
  MAX,
  MAXLOC,
  MIN,
  MINLOC,
  NO_OP,
  PROD,
  REPLACE,
  SUM,
} from './mpi/collective/op/predefined.ts';
export { type Element, Op, type OpOptions } from './mpi/collective/op.ts';
export type { PersistentCollectives } from './mpi/collective/persistent-collectives.ts';
export type { PersistentReductions } from './mpi/collective/persistent-reductions.ts';
export type { ReduceOptions } from './mpi/collective/reduction.ts';
export {
  CartCommunicator,
  Communicator,
  type CommunicatorComparison,
  GraphCommunicator,
  InterCommunicator,
  NeighborCommunicator,
} from './mpi/communicator.ts';
export type { Bigs, Data, Elements, Floats, Integers, Laid, Strided } from './mpi/datatype/data.ts';
export type { Distribution } from './mpi/datatype/distribution.ts';
export { type Field, Layout, type Order } from './mpi/datatype/layout.ts';
export type { ErrorHandling } from './mpi/errors.ts';
export { Group, type GroupComparison, type RankRange } from './mpi/group.ts';
export type { MachinePart } from './mpi/locality.ts';
export { MPI, type Statistics } from './mpi/mpi.ts';
export type { MessageBuffer } from './mpi/point-to-point/buffer.ts';
export { type ArrayType, Message } from './mpi/point-to-point/message.ts';
export type { Selection } from './mpi/point-to-point/messages.ts';
export type { Codec } from './mpi/point-to-point/objects/codec.ts';
export { msgpackCodec } from './mpi/point-to-point/objects/msgpack.ts';
export { Objects, type Received } from './mpi/point-to-point/objects/objects.ts';
export { v8Codec } from './mpi/point-to-point/objects/v8.ts';
export type { PartitionedReceive } from './mpi/point-to-point/partitioned-receive.ts';
export type { PartitionedSend } from './mpi/point-to-point/partitioned-send.ts';
export { type Persistent, startAll } from './mpi/point-to-point/persistent.ts';
export type { PersistentOperations } from './mpi/point-to-point/persistent-operations.ts';
export type { Abortable, ReceiveOptions } from './mpi/point-to-point/signal.ts';
export { StartedRequest as Request } from './mpi/point-to-point/started-request.ts';
export type { ElementType } from './mpi/point-to-point/status.ts';
export { Status } from './mpi/point-to-point/status.ts';
export { dimsCreate } from './mpi/topology/dims.ts';
export type { Adjacency, Edge } from './mpi/topology/graph.ts';
export type { Shift } from './mpi/topology/grid.ts';
export type { CartOptions, TopologyOptions } from './mpi/topology/makers.ts';
export type { PersistentNeighbors } from './mpi/topology/persistent-neighbor.ts';
