// `paceline tail`: follows a conversation, or a partition in log order, until Ctrl-C or --limit.
import type { PacelineClient } from '../client/client.ts';
import type { Subscribe, Subscription } from '../client/subscription.ts';
import { isStored, type StoredEvent } from '../client/subscription-events.ts';
import { PacelineError } from '../errors.ts';
import { answered, connect, type ServersFlag, serversOf } from './connect.ts';
import { checkTime, timeoutMsOf, usage, viewerOf, whole } from './flags.ts';
import { eventJson, eventLine, messageJson, messageLine } from './messages.ts';
import { jsonLine, note, onInterrupt, write } from './output.ts';
import { clusterSoon, serverOf } from './status.ts';

export interface TailFlags extends ServersFlag {
  readonly partition?: string;
  readonly after?: string;
  readonly afterIndex?: string;
  readonly from?: string;
  readonly limit?: string;
  readonly node?: string;
  readonly viewer?: string;
  readonly time?: boolean;
  readonly json?: boolean;
  readonly timeout: string;
}

/** What to follow, from where; null: from the newest few. */
type Target =
  | { readonly conversation: string; readonly afterSeq: number | null }
  | { readonly partition: number; readonly afterIndex: number | null };

/** Messages shown of what was there before, with --from end. */
const newestShown = 10;
/** Entries of a partition that are searched for them. */
const newestEntries = 64;

export async function tail(conversation: string | undefined, flags: TailFlags): Promise<void> {
  checkTime(flags);
  const target = targetOf(conversation, flags);
  const limit =
    flags.limit === undefined ? Number.POSITIVE_INFINITY : whole('limit', flags.limit, 1);
  const servers = serversOf(flags);
  const client = connect(servers, timeoutMsOf(flags));
  onInterrupt(() => process.exit(0));
  try {
    const at = await serverOf(client, servers, flags);
    const from = await place(client, servers, target, at, flags);
    const subscription = client.subscribe({
      ...from,
      ...at,
      ...viewerOf(flags),
      onReach: noteReach,
    });
    await follow(subscription, target, limit, flags);
  } finally {
    await client.close();
  }
}

function targetOf(conversation: string | undefined, flags: TailFlags): Target {
  const { partition, after, afterIndex, from } = flags;
  if (from !== undefined && from !== 'start' && from !== 'end') {
    throw usage('from', `"${from}" is not start or end`);
  }
  if (from !== undefined && (after ?? afterIndex) !== undefined) {
    throw usage('from', `goes without --after and --after-index: both say where to begin`);
  }
  const start = from === 'start' ? 0 : null;
  if (conversation !== undefined && partition === undefined) {
    if (afterIndex !== undefined) throw usage('after-index', 'goes with --partition only');
    return { conversation, afterSeq: after === undefined ? start : whole('after', after, 0) };
  }
  if (conversation !== undefined || partition === undefined) {
    throw usage('conversation', 'or --partition: one of the two is to be given');
  }
  if (after !== undefined) throw usage('after', 'goes with a conversation only');
  const index = afterIndex === undefined ? start : whole('after-index', afterIndex, 0);
  return { partition: whole('partition', partition, 0), afterIndex: index };
}

/** Asks the cluster in any case, so that one that is not there is said at once. */
async function place(
  client: PacelineClient,
  servers: readonly string[],
  target: Target,
  at: { readonly server?: string },
  flags: TailFlags,
): Promise<Subscribe> {
  if ('conversation' in target) {
    const { conversation, afterSeq } = target;
    const looked =
      afterSeq === null
        ? newestPlace(client, conversation)
        : checkedPlace(client, conversation, afterSeq, at);
    return { conversation, afterSeq: await answered(looked, flags) };
  }
  const { partition } = target;
  const { partitions } = await clusterSoon(client, servers, timeoutMsOf(flags));
  const status = partitions.find(({ id }) => id === partition);
  const commit = status?.commit ?? 0;
  const { afterIndex } = target;
  if (afterIndex === null) return { partition, afterIndex: Math.max(0, commit - newestEntries) };
  // Where no leader is known, those that answer may all be behind.
  const isKnown = status !== undefined && status.leader !== null;
  if (isKnown && afterIndex > commit) throw inFuture(afterIndex, commit);
  return { partition, afterIndex };
}

function inFuture(index: number, max: number): PacelineError {
  const message = `there is no index ${index} yet, the newest is ${max}`;
  return new PacelineError({ reason: 'IN_FUTURE', field: 'after_index', max, message });
}

/** Before the newest few. */
async function newestPlace(client: PacelineClient, conversation: string): Promise<number> {
  const newest = { conversation, direction: 'backward', limit: newestShown } as const;
  const { messages, headSeq } = await client.read(newest);
  const [oldest] = messages;
  return oldest === undefined ? headSeq : oldest.seq - 1;
}

/** Needs no majority, unless the place is not there yet: that node may only be behind the others. */
async function checkedPlace(
  client: PacelineClient,
  conversation: string,
  afterSeq: number,
  at: { readonly server?: string },
): Promise<number> {
  const read = { conversation, afterSeq, limit: 1 };
  try {
    await client.read({ ...read, level: 'eventual', ...at });
  } catch (error) {
    if (!(error instanceof PacelineError)) throw error;
    if (error.reason === 'IN_FUTURE') await client.read({ ...read, level: 'linearizable' });
    // What is gone the subscription says itself, and goes on behind it.
    else if (error.reason !== 'TRIMMED') throw error;
  }
  return afterSeq;
}

async function follow(
  subscription: Subscription,
  target: Target,
  limit: number,
  flags: TailFlags,
): Promise<void> {
  const lineOf = 'partition' in target ? partitionLine : conversationLine;
  // A partition's newest messages are known only once all of the newest entries were seen.
  let held: StoredEvent[] | null = 'partition' in target && target.afterIndex === null ? [] : null;
  let left = limit;
  const show = async (event: StoredEvent) => {
    if (left > 0) await write(`${lineOf(event, flags)}\n`);
    if (event.kind === 'message') left -= 1;
  };
  for await (const event of subscription) {
    if (event.kind === 'reset') await sayReset(event.min, event.max, target, flags);
    if (event.kind === 'caught-up') {
      for (const each of held ?? []) await show(each);
      held = null;
      await sayCaughtUp(flags);
    }
    if (isStored(event)) {
      if (held === null) await show(event);
      else held = [...held, event].slice(-newestShown);
    }
    if (left <= 0) return;
  }
}

function conversationLine(event: StoredEvent, { json, time }: TailFlags): string {
  if (!json)
    return event.kind === 'message' ? messageLine(event.message, time) : eventLine(event, time);
  return jsonLine(event.kind === 'message' ? messageJson(event.message) : eventJson(event));
}

function partitionLine(event: StoredEvent, flags: TailFlags): string {
  const { conversation, index, slot } = event.kind === 'message' ? event.message : event;
  if (!flags.json) return `${conversation}  ${conversationLine(event, flags).trimStart()}`;
  const fields = event.kind === 'message' ? messageJson(event.message) : eventJson(event);
  return jsonLine({ conversation, index, slot, ...fields });
}

function noteReach(isReached: boolean): void {
  if (isReached) note('a node answers again: it goes on');
  else note('no node answers; it waits, and goes on where it was, Ctrl-C ends');
}

async function sayReset(
  min: number,
  max: number,
  target: Target,
  { json }: TailFlags,
): Promise<void> {
  if (json) {
    await write(`${jsonLine({ event: 'reset', min, max })}\n`);
    return;
  }
  const unit = 'partition' in target ? 'index' : 'seq';
  note(`RESET: what was asked for is gone; it goes on from ${unit} ${min} (newest ${max})`);
}

async function sayCaughtUp({ json }: TailFlags): Promise<void> {
  if (json) await write(`${jsonLine({ event: 'caught-up' })}\n`);
  else note('caught up; new messages follow, Ctrl-C ends');
}
