/** mapping.cc: descriptors and mappings that end with their owner. */
import { addon } from './addon.ts';

declare const owned: unique symbol;

/** Closes its descriptor when it is collected, or when its environment (a worker) ends. */
export interface FdOwner {
  readonly [owned]: 'fd';
}

export interface MappingAddon {
  ownFd(fd: number): FdOwner;
  closeOwned(owner: FdOwner): void;
  openFd(path: string, write: boolean): number;
  readFd(fd: number, buffer: ArrayBufferView): number;
  closeFd(fd: number): number;
  mapFd(fd: number, offset: number, length: number, writable: boolean): ArrayBuffer | number;
}

export const mapping = (): MappingAddon => addon() as unknown as MappingAddon;
