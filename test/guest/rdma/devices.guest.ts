/** What RDMA devices do, by the software ones of a guest: device, interop, loss; iwarp over siw. */
import { caseTests } from '../cases.ts';
import { interopCases } from './interop.ts';
import { IWARP_CASES } from './iwarp.ts';
import { LOSS_CASES } from './loss.ts';
import { DEVICE_CASES } from './queue-pairs.ts';

caseTests('device', DEVICE_CASES);
caseTests('interop', interopCases(process.env.BARE_PEER ?? ''));
caseTests('iwarp', IWARP_CASES);
// They take the device away.
caseTests('loss', LOSS_CASES);
