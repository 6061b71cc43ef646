// Gaps, releases and other events of real nodes, as the SDK and the commands show them, from memory and
// after every node was started again.
import { describe, expect, it } from 'vitest';
import { partitionIn } from '../../scripts/harness/partitions.ts';
import { paceline } from '../../scripts/irc/cli.ts';
import type { Subscribe } from '../../src/client/subscription.ts';
import { isStored, type StoredEvent } from '../../src/client/subscription-events.ts';
import { useCluster } from '../cluster/fixture.ts';

const fixture = useCluster({ partitions: 4 });
const conversation = 'g:moderated';
const sender = 'ann';

async function follow(subscribe: Subscribe): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of fixture.client.subscribe(subscribe)) {
    if (isStored(event)) events.push(event);
    if (event.kind === 'caught-up') break;
  }
  return events;
}

/** In a word each. */
function told(events: readonly StoredEvent[]): string[] {
  return events.map((event) => {
    if (event.kind === 'message') {
      const { seq, body, state, late, lateFor } = event.message;
      const marks = [state === 'normal' ? '' : state, late ? `late for ${lateFor}` : ''];
      return [`${seq}`, Buffer.from(body).toString(), ...marks].filter(Boolean).join(' ');
    }
    if (event.kind === 'gap') return `gap ${event.after}..${event.before}`;
    if (event.kind !== 'released') return event.kind;
    return `released ${event.seq} ${Buffer.from(event.message?.body ?? []).toString()}`;
  });
}

const asOthersSee = [
  'policy',
  '1 one',
  '2 pending',
  '3 rejected',
  '4 four',
  'rejected',
  'released 4 four',
  'gap 3..10',
  '5 ten',
  '6 five late for 8',
];

async function run(...args: readonly string[]) {
  const { code, stdout, stderr } = await paceline([
    ...args,
    ...['--servers', fixture.cluster.servers.join(',')],
  ]);
  expect(code, stderr).toBe(0);
  return { lines: stdout.toString().split('\n').slice(0, -1), stderr };
}

describe('a moderated conversation with a gap', () => {
  it('is told to others without what is not shown, to its sender with it', async () => {
    const { client } = fixture;
    const append = (body: string, more = {}) =>
      client.append({ conversation, sender, body, ...more });
    const policy = { gapWaitMs: 50, pendingTtlMs: 86_400_000 };
    await client.setPolicy({ conversation, sender: 'mod', policy });
    await append('one', { clientSeq: 3, prevClientSeq: 0 });
    for (const body of ['two', 'three', 'four']) await append(body, { pending: true });
    await client.reject({ conversation, sender: 'mod', seq: 3 });
    await client.release({ conversation, sender: 'mod', seq: 4 });
    await append('ten', { clientSeq: 10, prevClientSeq: 8 });
    await append('five', { clientSeq: 5, prevClientSeq: 3 });
    const own = asOthersSee.map((each) => {
      return each.replace('2 pending', '2 two pending').replace('3 rej', '3 three rej');
    });
    const others = told(await follow({ conversation, viewer: 'bob' }));
    expect(others).toEqual(asOthersSee);
    const seen = told(await follow({ conversation, viewer: sender }));
    expect(seen).toEqual(own);
  });

  it('is the same from every node, by rev from any place, and in the log, also after a restart', async () => {
    const { cluster } = fixture;
    await cluster.caughtUp();
    const whole = await follow({ conversation });
    for (const restart of [false, true]) {
      for (const node of restart ? cluster.nodes : []) {
        await node.kill();
        node.start();
      }
      if (restart) await cluster.ready();
      await cluster.caughtUp();
      for (const { address: server } of cluster.nodes) {
        for (const afterRev of [1, 4, 7]) {
          expect(await follow({ conversation, afterRev, server })).toEqual(whole.slice(afterRev));
        }
        expect(await follow({ conversation, afterSeq: 4, server })).toEqual(whole.slice(5));
        const partition = partitionIn(conversation, 4);
        expect(await follow({ partition, server })).toEqual(whole);
      }
    }
  });

  it('is shown by tail and read a line each, by export with a word for what is not shown', async () => {
    const tail = await run('tail', conversation, '--from', 'start', '--limit', '6');
    expect(tail.lines.map((line) => line.trim().replace(/ {2,}/, ' '))).toEqual([
      expect.stringContaining('- policy by mod: '),
      '1 ann: one',
      '2 ann: (pending)',
      '3 ann: (rejected)',
      '4 ann: four',
      '- 3 rejected by mod',
      '- 4 released by mod: ann: four',
      expect.stringMatching(/^- gap: messages of ann are missing, after 3 and before \d+$/),
      '5 ann: ten',
      '6 ann: five (late)',
    ]);
    const read = await run(
      'read',
      conversation,
      '--viewer',
      sender,
      '--after',
      '1',
      '--limit',
      '1',
    );
    expect(read.lines).toEqual(['     2  ann: two (pending)']);
    const exported = await run('export', conversation);
    expect(exported.lines).toEqual(['one', '(pending)', '(rejected)', 'four', 'ten', 'five']);
    expect(exported.stderr).toContain('2 not shown: pending or rejected');
    const json = await run('tail', conversation, '--after', '4', '--limit', '1', '--json');
    const events = json.lines.map((line): Record<string, unknown> => JSON.parse(line));
    expect(events.map(({ event }) => event)).toEqual(['rejected', 'released', 'gap', undefined]);
    expect(events[1]).toMatchObject({ seq: 4, message: { seq: 4, body: 'four' } });
  });
});
