// From the newest message back to the oldest, a page at a time: npx tsx examples/page-back.ts g:lobby 20
import { connect, PacelineError } from 'paceline/client';

const [conversation = 'g:lobby', number = '20'] = process.argv.slice(2);
const limit = Number(number);
if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
  console.error(`"${number}" is not a number of messages a page, 1 to 1000`);
  process.exit(2);
}
// All three of `npm start`: any of them is enough to begin with, so one of them may be down.
const devServers = '127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402';
const servers = (process.env['PACELINE_SERVERS'] ?? devServers).split(',');
const paceline = connect({ servers });
try {
  let page = await paceline.read({ conversation, direction: 'backward', limit });
  for (;;) {
    for (const { seq, sender, body } of [...page.messages].reverse()) {
      console.log(seq, `${sender}:`, Buffer.from(body).toString());
    }
    const [oldest] = page.messages;
    if (oldest === undefined || oldest.seq <= page.minSeq) break;
    page = await paceline.read({ conversation, beforeSeq: oldest.seq, limit });
  }
} catch (error) {
  if (!(error instanceof PacelineError)) throw error;
  console.error(`${error.reason}: ${error.message}`);
  process.exitCode = 1;
} finally {
  await paceline.close();
}
