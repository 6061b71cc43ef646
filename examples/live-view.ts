// Shows a conversation as it is and as it grows, until Ctrl-C: npx tsx examples/live-view.ts g:lobby
import { connect, PacelineError } from 'paceline/client';

const [conversation = 'g:lobby', number = '0'] = process.argv.slice(2);
const afterSeq = Number(number);
if (!Number.isInteger(afterSeq) || afterSeq < 0) {
  console.error(`"${number}" is not the seq of a message to start after`);
  process.exit(2);
}
// All three of `npm start`: any of them is enough to begin with, so one of them may be down.
const devServers = '127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402';
const servers = (process.env['PACELINE_SERVERS'] ?? devServers).split(',');
const paceline = connect({ servers });
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

const { signal } = stop;
try {
  // Fails where there is no cluster; a subscription would wait for one.
  await paceline.heads([conversation]);
  for await (const event of paceline.subscribe({ conversation, afterSeq, signal })) {
    if (event.kind === 'caught-up') console.log('-- live --');
    if (event.kind === 'reset') console.log(`-- what was before ${event.min} is gone --`);
    if (event.kind !== 'message') continue;
    const { seq, sender, timeMs, body } = event.message;
    console.log(seq, new Date(timeMs).toISOString(), `${sender}:`, Buffer.from(body).toString());
  }
} catch (error) {
  if (!(error instanceof PacelineError)) throw error;
  console.error(`${error.reason}: ${error.message}`);
  process.exitCode = 1;
} finally {
  await paceline.close();
}
