// Run by plain node as a child, to be killed: an app with a durable outbox, from the built package, because
// tsx alone takes longer to start than this lives. argv[2] is an OutboxPlan (outbox-process.ts); what it says
// on standard output, a JSON line each, are OutboxSays.
import { writeSync } from 'node:fs';
import { connect } from 'paceline/client';
import { openOutbox } from 'paceline/outbox';

const burstMax = 20;
const { directory, sender, life, servers, upTo, stays } = JSON.parse(process.argv[2] ?? '{}');

/** At once: what was said before the kill is heard. */
function say(says) {
  writeSync(1, `${JSON.stringify(says)}\n`);
}

const paceline = connect({ servers });
const outbox = await openOutbox({
  directory,
  sender,
  device: 'phone',
  epoch: (last) => last ?? paceline.registerDevice(sender, 'phone'),
  append: (append, stored, failed, signal) => paceline.start(append, stored, failed, signal),
  onEnd: (end) => {
    const { conversation } = end.kept.message;
    const { clientSeq } = end.kept;
    if (end.kind === 'failed')
      say({ kind: 'failed', conversation, clientSeq, why: `${end.error}` });
    else {
      const { duplicate, late } = end.appended;
      say({ kind: 'stored', conversation, clientSeq, duplicate, late });
    }
  },
});

for (;;) {
  const burst = nextBurst(1 + Math.floor(Math.random() * burstMax));
  if (burst.length === 0) break;
  for (const { conversation, clientSeq } of await Promise.all(burst)) {
    say({ kind: 'durable', conversation, clientSeq, life });
  }
}
say({ kind: 'all-durable' });
await outbox.drain();
if (stays) setInterval(() => {}, 60_000);
else {
  for (const conversation of Object.keys(upTo)) {
    say({ kind: 'last', conversation, clientSeq: outbox.lastClientSeq(conversation) });
  }
  await outbox.close();
  await paceline.close();
}

/** Each message is its number and the life in which it was sent. */
function nextBurst(count) {
  const burst = [];
  for (let i = 0; i < count; i++) {
    const wanting = Object.keys(upTo).filter((name) => outbox.lastClientSeq(name) < upTo[name]);
    const conversation = wanting[Math.floor(Math.random() * wanting.length)];
    if (conversation === undefined) break;
    // Numbers are given in the order of the calls.
    const body = `${outbox.lastClientSeq(conversation) + 1} ${life}`;
    burst.push(outbox.send({ conversation, body }));
  }
  return burst;
}
