// What `paceline dev` says in g:demo, so that a second terminal has something to follow.
import { PacelineError } from '../errors.ts';
import { connect } from './connect.ts';
import { note } from './output.ts';

export const demoConversation = 'g:demo';

const everyMs = 2000;
const timeoutMs = 30_000;
const lines = [
  'hello! I say something here every two seconds',
  'each of these lines is on a majority of the nodes before you see it',
  'kill a node with kill -9: I go on talking, and nothing is lost',
  'every message has the next seq: 1, 2, 3, no hole and no repeat',
  'append something yourself: it comes between my lines, in the same order for everybody',
  'stop me with Ctrl-C and start me again: the messages are still there',
  'paceline status shows who leads which partition',
  'a second tail sees exactly the same',
] as const;

/** Talks until it is stopped; a line that is open then goes down with the process. */
export function startDemo(servers: readonly string[]): { stop(): void } {
  const client = connect(servers, timeoutMs);
  let said = 0;
  const talk = async () => {
    const body = lines[said % lines.length] ?? '';
    said += 1;
    try {
      await client.append({ conversation: demoConversation, sender: 'demo', body });
    } catch (error) {
      if (!(error instanceof PacelineError)) throw error;
      note(`demo: "${body}" was not stored: ${error.reason}: ${error.message}`);
    }
  };
  const timer = setInterval(talk, everyMs);
  talk();
  return { stop: () => clearInterval(timer) };
}
