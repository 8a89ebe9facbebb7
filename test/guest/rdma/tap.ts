#!/usr/bin/env node
/** `node tap.js device|loss|iwarp|interop [BARE-PEER]`: what RDMA devices do, as TAP; for the guest, where there is one. */
import { MpiError } from '../../../runtime/base/error.ts';
import { type Claim, runClaims } from '../../tools/claims.ts';
import { DEVICE_CLAIMS, LOSS_CLAIMS } from './device-claims.ts';
import { interopClaims } from './interop-claims.ts';
import { IWARP_CLAIMS } from './iwarp-claims.ts';

const [name = '', barePeer = ''] = process.argv.slice(2);
const LISTS: Record<string, Claim[]> = {
  device: DEVICE_CLAIMS,
  interop: interopClaims(barePeer),
  loss: LOSS_CLAIMS,
  iwarp: IWARP_CLAIMS,
};

const claims = LISTS[name];
if (!claims) throw new MpiError('ERR_ARG', `there is no list "${name}"`);
await runClaims(claims);
