// `paceline append --lines`: a message a line of standard input, as bytes; up to the first line that is
// refused, of which it says which.
import type { Appended } from '../client/append.ts';
import type { PacelineClient } from '../client/client.ts';
import { commandLimits } from '../command.ts';
import { PacelineError } from '../errors.ts';
import { type AppendFlags, isRepeat } from './append-flags.ts';
import { OpenAppends } from './flow.ts';
import { type Line, LineSplitter, lineBytesMax } from './lines.ts';
import { note, say, sayJson } from './output.ts';

/** Lines sent and not yet answered; reading pauses at this. */
const open = { appends: 4096, bytes: 8 * 1024 * 1024 } as const;

/** Keys are KEY:1, KEY:2, ... where --key is given, so that the same file can be sent again. */
export async function appendLines(
  client: PacelineClient,
  conversation: string,
  flags: AppendFlags,
): Promise<void> {
  const run = new LineAppends(client, conversation, flags);
  const started = performance.now();
  await run.all(process.stdin);
  run.report((performance.now() - started) / 1000);
}

class LineAppends {
  private readonly client: PacelineClient;
  private readonly conversation: string;
  private readonly flags: AppendFlags;
  private readonly open = new OpenAppends(open.appends, open.bytes);
  private readonly done = { sent: 0, stored: 0, duplicates: 0, lastSeq: 0 };
  /** The first line that failed, and whether any may be stored all the same. */
  private failure: { readonly line: number; readonly error: Error } | null = null;
  private isUnknown = false;

  constructor(client: PacelineClient, conversation: string, flags: AppendFlags) {
    this.client = client;
    this.conversation = conversation;
    this.flags = flags;
  }

  async all(input: AsyncIterable<Buffer | string>): Promise<void> {
    const lines = new LineSplitter();
    for await (const chunk of input) {
      await this.send(lines.take(Buffer.from(chunk)));
      if (this.failure !== null) break;
    }
    await this.send(lines.end());
    await this.client.drain();
  }

  /** Throws the failure, after what was stored is said. */
  report(seconds: number): void {
    const { stored, duplicates, lastSeq } = this.done;
    const rate = Math.round(stored / seconds);
    if (this.flags.json) {
      sayJson({ ...this.done, seconds: Number(seconds.toFixed(3)), perSecond: rate });
    } else {
      const repeats = duplicates === 0 ? '' : `, ${duplicates} of them duplicates`;
      say(`${stored} messages${repeats}, up to seq ${lastSeq}`);
      note(`${seconds.toFixed(2)} s, ${rate} messages/s`);
    }
    if (this.failure !== null) throw this.told(this.failure);
  }

  private async send(lines: readonly Line[]): Promise<void> {
    for (const line of lines) {
      if (this.open.isFull) await this.open.room();
      if (this.failure !== null) return;
      this.start(line);
    }
  }

  private start({ bytes, fileBytes }: Line): void {
    this.done.sent += 1;
    const line = this.done.sent;
    if (bytes === null) {
      this.fail(line, tooLong());
      return;
    }
    const { sender, key, contentType } = this.flags;
    const body = bytes.at(-1) === 0x0d ? bytes.subarray(0, -1) : bytes;
    const keyed = key === undefined ? {} : { key: `${key}:${line}` };
    const typed = contentType === undefined ? {} : { contentType };
    this.open.enter(fileBytes);
    this.client.start(
      { conversation: this.conversation, sender, body, ...keyed, ...typed },
      (appended) => {
        this.stored(appended);
        this.open.leave(fileBytes);
      },
      (error) => {
        this.fail(line, error);
        this.open.leave(fileBytes);
      },
    );
  }

  private stored(appended: Appended): void {
    this.done.stored += 1;
    if (isRepeat(appended, this.flags)) this.done.duplicates += 1;
    this.done.lastSeq = Math.max(this.done.lastSeq, appended.seq);
  }

  private fail(line: number, error: Error): void {
    if (this.failure === null || line < this.failure.line) this.failure = { line, error };
    if (error instanceof PacelineError && error.reason === 'OUTCOME_UNKNOWN') this.isUnknown = true;
  }

  private told({ line, error }: { readonly line: number; readonly error: Error }): Error {
    if (!(error instanceof PacelineError)) return error;
    const { sent, stored } = this.done;
    const what = this.isUnknown ? 'not known to be stored' : 'not stored';
    const message = `line ${line}: ${error.message} (${what}: ${sent - stored} of ${sent} lines sent)`;
    return new PacelineError({ ...error, message });
  }
}

/** Its bytes are gone, so that it cannot be shown to a node. */
function tooLong(): PacelineError {
  const limit = commandLimits.bodyBytes;
  const message = `body has more than ${lineBytesMax} bytes, the limit is ${limit}`;
  return new PacelineError({ reason: 'TOO_LARGE', field: 'body', limit, message });
}
