// Sends what it is given, or "hello", to a conversation: npx tsx examples/send.ts g:lobby ann "good morning"
import { connect } from 'paceline/client';

const [conversation = 'g:lobby', sender = 'ann', ...words] = process.argv.slice(2);
const servers = (process.env['PACELINE_SERVERS'] ?? '127.0.0.1:7400').split(',');
const paceline = connect({ servers });
try {
  const { seq } = await paceline.append({ conversation, sender, body: words.join(' ') || 'hello' });
  console.log(`stored as ${conversation} ${seq}`);
} finally {
  await paceline.close();
}
