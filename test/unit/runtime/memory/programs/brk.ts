/** `brk.js MONITOR`: the break shrinks and grows again. Status 75: there is no room behind the heap. */
import { constants } from 'node:os';
import { type MonitorName, openMonitor } from '../../../../../runtime/memory/monitors/open.ts';
import { Scene } from '../../../../conformance/monitors/scene.ts';
import { bytesAt, helpers, ok, PAGE } from '../../../../tools/native/helpers.ts';

const LENGTH = 256 * PAGE;
const NO_ROOM = 75;

/** Whether it could be played: malloc may move the break in between. */
function play(scene: Scene): boolean {
  const grown = helpers().brkGrow(LENGTH + PAGE);
  if (grown === -constants.errno.ENOMEM) return false;
  const start = Math.ceil(ok(grown) / PAGE) * PAGE;
  bytesAt(start, LENGTH).fill(1);
  const upper = scene.watch(start + LENGTH / 2, LENGTH / 4);
  const end = grown + LENGTH + PAGE;
  if (helpers().brkCycle(start + LENGTH / 2, end - start - LENGTH / 2) < 0) return false;
  // What is below may fire as well, where a huge page that spans both is split.
  scene.fired(upper);
  return true;
}

const scene = new Scene(openMonitor(process.argv[2] as MonitorName));
process.exitCode = play(scene) ? 0 : NO_ROOM;
scene.end();
