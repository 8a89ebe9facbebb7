/** A communicator whose errors end the job: argv[2] says how one comes about at rank 1. */
import { MPI } from '../../../../runtime/index.ts';
import { pause } from '../../lib.ts';

const how = process.argv[2];
const short = new Uint8Array(1);
const { world } = MPI;
const comm = await world.dup();
comm.name = 'the tested one';
comm.errors = 'abort';
// A choice that is taken back leaves no trace.
comm.errors = 'throw';
comm.errors = 'abort';
async function arrivals() {
  const receive = used.persistent.precv(short, 1, 0, 0);
  receive.start();
  for await (const _ of receive.arrivals());
}

const used = how === 'inherited' ? await comm.dup() : comm;
const cart = how === 'neighbours' ? await comm.cart([2]) : null;
if (comm.rank === 1) {
  try {
    if (how === 'argument' || how === 'inherited') used.sendSync(short, 99);
    else if (how === 'request') used.irecv(short, 0).wait();
    else if (how === 'promise') await used.recv(short, 0);
    else if (how === 'collective') await used.split(-1);
    else if (how === 'message') (await used.mprobe(0)).recvSync(short);
    else if (how === 'loop') for await (const message of used.messages()) await message.recv(short);
    else if (how === 'object') await used.objects().send(() => {}, 0);
    else if (how === 'loop over objects') for await (const _ of used.objects().messages());
    else if (how === 'persistent') used.persistent.recv(short, 0).runSync();
    else if (how === 'arrivals') await arrivals();
    else if (how === 'neighbours') cart?.persistentNeighbor.alltoall(short, short.slice());
    else if (how === 'caught') {
      comm.errors = 'throw';
      comm.sendSync(short, 99);
    }
  } catch {
    process.stdout.write('the program goes on\n');
  }
} else if (how === 'arrivals') used.persistent.psend(new Uint8Array(8), 1, 1, 0);
else await used.send(new Uint8Array(8), 1);
if (how !== 'caught') await pause(20_000);
