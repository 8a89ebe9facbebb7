/** Checks of what a program passes to make a communicator; each fails before anything is posted. */
import { inWords } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import { checkGroup, type Group } from '../group.ts';
import { MACHINE_PARTS, type MachinePart } from '../locality.ts';

/** @throws MpiError ERR_ARG */
export function checkColor(color: number | null): void {
  if (color === null || (Number.isSafeInteger(color) && color >= 0)) return;
  throw new MpiError(
    'ERR_ARG',
    `the color ${inWords(color)} is no integer from 0 on: ranks of the same color come together, and null is for a rank that wants none`,
  );
}

/** @throws MpiError ERR_ARG */
export function checkKey(key: number): void {
  if (typeof key === 'number' && Number.isFinite(key)) return;
  throw new MpiError(
    'ERR_ARG',
    `the key ${inWords(key)} is no number: the ranks of the new communicator are in the order of their keys`,
  );
}

/** @throws MpiError ERR_ARG */
export function checkPart(part: MachinePart): void {
  if (MACHINE_PARTS.includes(part)) return;
  const known = MACHINE_PARTS.map((one) => `'${one}'`).join(', ');
  throw new MpiError('ERR_ARG', `${inWords(part)} is nothing to split by: there are ${known}`);
}

/** @throws MpiError ERR_ARG, ERR_RANK where one of its members is not in the communicator */
export function checkSubgroup(group: Group, whole: Group): void {
  checkGroup(group);
  for (const world of group)
    if (whole.rankOf(world) < 0)
      throw new MpiError(
        'ERR_RANK',
        `the group has rank ${world} of the world, which is not in this communicator: take ranks of comm.group`,
      );
}

/** @throws MpiError ERR_RANK where this rank is no member: only members make the call */
export function checkMember(group: Group): void {
  if (group.rank >= 0) return;
  throw new MpiError(
    'ERR_RANK',
    'this rank is no member of the group: only its members make this call, so leave it out here',
  );
}

/** @throws MpiError ERR_TAG */
export function checkTagString(tag: string): void {
  if (typeof tag === 'string') return;
  throw new MpiError('ERR_TAG', `the tag ${inWords(tag)} of fromGroup is no string`);
}

/** @throws MpiError ERR_RANK */
export function checkLeader(what: string, rank: number, size: number): void {
  if (Number.isInteger(rank) && rank >= 0 && rank < size) return;
  throw new MpiError(
    'ERR_RANK',
    `the ${what} ${inWords(rank)} is no rank of its communicator, which has the ranks 0 to ${size - 1}`,
  );
}

/** @throws MpiError ERR_ARG */
export function checkHigh(high: boolean): void {
  if (typeof high === 'boolean') return;
  throw new MpiError(
    'ERR_ARG',
    `merge: ${inWords(high)} does not say whether this side comes last: pass true or false`,
  );
}
