/** The library that serves a process's large blocks from shared memory, and what the process knows of it. */
import { addon, nativeFile } from './addon.ts';

/** The shared heap of this process. */
export interface SharedHeap {
  /** The descriptor of its file. */
  fd: number;
  /** Where it is mapped, and the file's length. */
  base: number;
  bytes: number;
  inode: number;
  /** Bytes in blocks; bytes that are free and still take memory; requests for which there was no room. */
  used: number;
  dirty: number;
  refused: number;
}

interface SharedHeapAddon {
  // shared_heap.cc
  /** A text: why there is none. null: this process was started without the library. */
  sharedHeap(): SharedHeap | string | null;
}

export function sharedHeap(): SharedHeap | string | null {
  return (addon() as unknown as SharedHeapAddon).sharedHeap();
}

/**
 * The file that is to be preloaded.
 * @environment DREG_SHARED_HEAP_BYTES | bytes | the size of a rank's shared heap, in place of twice the machine's
 *   memory; it takes addresses, not memory
 */
export function heapLibrary(): string {
  return nativeFile('dreg_heap.so');
}

/** LD_PRELOAD with the library before what stands there, as another allocator's. */
export function withHeapLibrary(preload: string | undefined): string {
  const others = withoutHeapLibrary(preload);
  return others === undefined ? heapLibrary() : `${heapLibrary()}:${others}`;
}

/** LD_PRELOAD without the library; undefined where nothing is left. */
export function withoutHeapLibrary(preload: string | undefined): string | undefined {
  const others = (preload ?? '')
    .split(/[ :]/)
    .filter((file) => file !== '' && file !== heapLibrary());
  return others.length > 0 ? others.join(':') : undefined;
}
