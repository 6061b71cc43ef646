// Shows a conversation as it is and as it grows, until Ctrl-C: npx tsx examples/live-view.ts g:lobby
import { connect } from 'paceline/client';

const [conversation = 'g:lobby', afterSeq = '0'] = process.argv.slice(2);
const servers = (process.env['PACELINE_SERVERS'] ?? '127.0.0.1:7400').split(',');
const paceline = connect({ servers });
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

const { signal } = stop;
for await (const event of paceline.subscribe({ conversation, afterSeq: +afterSeq, signal })) {
  if (event.kind === 'caught-up') console.log('-- live --');
  if (event.kind === 'reset') console.log(`-- what was before ${event.min} is gone --`);
  if (event.kind !== 'message') continue;
  const { seq, sender, timeMs, body } = event.message;
  console.log(seq, new Date(timeMs).toISOString(), `${sender}:`, Buffer.from(body).toString());
}
await paceline.close();
