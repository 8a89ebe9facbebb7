#!/usr/bin/env node
/** `node tap.js device|loss`: what RDMA devices do, as TAP; for the guest, where there is one. */
import { MpiError } from '../../runtime/error.ts';
import { type Claim, runClaims } from './claims.ts';
import { DEVICE_CLAIMS, LOSS_CLAIMS } from './device-claims.ts';

const LISTS: Record<string, Claim[]> = { device: DEVICE_CLAIMS, loss: LOSS_CLAIMS };

const name = process.argv[2] ?? '';
const claims = LISTS[name];
if (!claims) throw new MpiError('ERR_ARG', `there is no list "${name}"`);
await runClaims(claims);
