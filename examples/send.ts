// Sends what it is given, or "hello", to a conversation: npx tsx examples/send.ts g:lobby ann "good morning"
import { connect, PacelineError } from 'paceline/client';

const [conversation = 'g:lobby', sender = 'ann', ...words] = process.argv.slice(2);
// All three of `npm start`: any of them is enough to begin with, so one of them may be down.
const devServers = '127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402';
const servers = (process.env['PACELINE_SERVERS'] ?? devServers).split(',');
const paceline = connect({ servers, appendTimeoutMs: 10_000 });
try {
  const { seq } = await paceline.append({ conversation, sender, body: words.join(' ') || 'hello' });
  console.log(`stored as ${conversation} ${seq}`);
} catch (error) {
  if (!(error instanceof PacelineError)) throw error;
  console.error(`${error.reason}: ${error.message}`);
  process.exitCode = 1;
} finally {
  await paceline.close();
}
