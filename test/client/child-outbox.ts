// Run as a child, to be killed: an outbox over LevelDB in argv[2] whose server is the parent. Says of each
// message when it is durable. `send`: sends on and on; `drain`: only what is there, and ends.

import type { Appended } from '../../src/client/append.ts';
import { openOutboxStore } from '../../src/client/level/outbox-store.ts';
import { Outbox } from '../../src/client/outbox.ts';
import { systemClock } from '../../src/clock.ts';

const [directory = '', mode = ''] = process.argv.slice(2);
const rooms = ['g:a', 'g:b'];
const waiting = new Map<number, (appended: Appended) => void>();
let attempts = 0;

process.on('message', ({ attempt, appended }: { attempt: number; appended: Appended }) => {
  waiting.get(attempt)?.(appended);
  waiting.delete(attempt);
});

const outbox = await Outbox.open({
  store: await openOutboxStore(directory),
  append: (append, resolve) => {
    waiting.set(++attempts, resolve);
    process.send?.({ attempt: attempts, append: { ...append, body: String(append.body) } });
  },
  sender: 'ann',
  device: 'phone',
  epoch: 1,
  clock: systemClock,
  random: Math.random,
  uuid: () => crypto.randomUUID(),
  conversationWindowMax: 50,
});

if (mode === 'drain') {
  await outbox.drain();
  await outbox.close();
  process.disconnect();
}
while (mode === 'send') {
  const sent = Array.from({ length: 10 }, (_, i) => {
    const conversation = rooms[i % rooms.length] ?? '';
    // Numbers are given in the order of the calls.
    const body = String(outbox.lastClientSeq(conversation) + 1);
    return outbox.send({ conversation, body });
  });
  for (const { conversation, clientSeq } of await Promise.all(sent)) {
    process.send?.({ durable: { conversation, clientSeq } });
  }
}
