/** A rank is killed in the middle of each collective operation alone, in which another one blocks. */
import { test } from 'vitest';
import { testOfDeath } from '../lost.ts';
import { CALLS } from './programs/calls.ts';

test.each(Object.keys(CALLS))('%s', (name) => testOfDeath(['3', name]));
