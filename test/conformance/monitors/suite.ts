/** The conformance suite of monitors that watch memory. */
import { KEEPING } from './keeping.ts';
import type { Case } from './scene.ts';
import { UNMAPPING } from './unmapping.ts';

export const CASES: readonly Case[] = [...UNMAPPING, ...KEEPING];

/** Slots of the monitors under test: few, so that all of them can be used. */
export const SLOTS = 64;
