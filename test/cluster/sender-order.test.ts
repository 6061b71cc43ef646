// The articles' systems that are about one sender's order (docs/ordering.md, "Row by row"), each
// on real processes, doing what its row says.
import { describe, expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../scripts/harness/load.ts';
import type { Append, Appended } from '../../src/client/append.ts';
import type { PacelineClient } from '../../src/client/client.ts';
import { OrderedView, type OrderedViewEvent } from '../../src/client/ordered-view.ts';
import { systemClock } from '../../src/clock.ts';
import { useCluster } from './fixture.ts';

const fixture = useCluster();

/** A connection of its own. */
function connection(): PacelineClient {
  const client = createClient(fixture.cluster.servers);
  onTestFinished(() => client.close());
  return client;
}

async function bodiesAt(server: string, conversation: string): Promise<string[]> {
  const level = 'linearizable' as const;
  const { messages } = await fixture.client.read({ conversation, server, level, limit: 1000 });
  return messages.map(({ body }) => Buffer.from(body).toString());
}

/** As read at every node. */
async function bodies(conversation: string): Promise<string[]> {
  const all = await Promise.all(
    fixture.cluster.nodes.map(({ address }) => bodiesAt(address, conversation)),
  );
  for (const each of all) expect(each).toEqual(all[0]);
  return all[0] ?? [];
}

/** The sender's numbers as bodies. */
function link(conversation: string, clientSeq: number, prevClientSeq: number): Append {
  return { conversation, sender: 'ann', body: `${clientSeq}`, clientSeq, prevClientSeq };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe('row 1: the sender stamps 10, 20, 30', () => {
  it('30, 10, 20 over three connections is read 10, 20, 30 everywhere', async () => {
    const conversation = 'p:ann~bob';
    const [one, two, three] = [connection(), connection(), connection()];
    const answers: Promise<Appended>[] = [];
    answers.push(one.append(link(conversation, 30, 20)));
    await pause(100);
    answers.push(two.append(link(conversation, 10, 0)));
    await pause(100);
    answers.push(three.append(link(conversation, 20, 10)));
    const [thirty, ten, twenty] = await Promise.all(answers);
    expect([ten?.seq, twenty?.seq, thirty?.seq]).toEqual([1, 2, 3]);
    expect([ten?.late, twenty?.late, thirty?.late]).toEqual([false, false, false]);
    expect(await bodies(conversation)).toEqual(['10', '20', '30']);
  });
});

describe('row 3: message 2 is lost', () => {
  it('SENDER_GAP where the policy says REJECT, with what is there and what is missing', async () => {
    const conversation = 'g:reject';
    const { client } = fixture;
    await client.setPolicy({ conversation, sender: 'ann', policy: { gapAction: 'reject' } });
    await client.append(link(conversation, 1, 0));
    const refusal = { reason: 'SENDER_GAP', actual: 1, want: 2 };
    await expect(client.append(link(conversation, 3, 2))).rejects.toMatchObject(refusal);
    expect(await bodies(conversation)).toEqual(['1']);
  });

  it('goes on behind a mark after the wait, and the late one says what it is late for', async () => {
    const conversation = 'g:mark';
    const { client } = fixture;
    await client.append(link(conversation, 1, 0));
    const startedMs = performance.now();
    const three = await client.append(link(conversation, 3, 2));
    expect(performance.now() - startedMs).toBeGreaterThan(490);
    // The mark has rev 2, and no seq.
    expect([three.seq, three.rev]).toEqual([2, 3]);
    const two = await client.append(link(conversation, 2, 1));
    expect([two.seq, two.late, two.lateFor]).toEqual([3, true, 2]);
    expect(await bodies(conversation)).toEqual(['1', '3', '2']);
    const other = { ...link(conversation, 2, 0), key: 'other', body: 'never said' };
    await expect(client.append(other)).rejects.toMatchObject({ reason: 'IDEMPOTENCY_MISMATCH' });
  });

  it('CHAIN_PASSED where the number lies before the newest, and is in no gap', async () => {
    const conversation = 'g:passed';
    const { client } = fixture;
    await client.append(link(conversation, 5, 0));
    const passed = { reason: 'CHAIN_PASSED', actual: 5 };
    await expect(client.append(link(conversation, 4, 0))).rejects.toMatchObject(passed);
    expect(await bodies(conversation)).toEqual(['5']);
  });
});

describe('row 21: the clock was moved, the app reinstalled, several devices', () => {
  it('epoch 2 seq 1 is taken after epoch 1 seq 900, then epoch 1 is fenced', async () => {
    const conversation = 'g:devices';
    const { client } = fixture;
    const first = await client.registerDevice('ann', 'phone');
    const of = (epoch: number, clientSeq: number, prevClientSeq: number): Append => {
      const more = { device: 'phone', epoch, body: `${epoch}/${clientSeq}` };
      return { ...link(conversation, clientSeq, prevClientSeq), ...more };
    };
    await client.append(of(first, 900, 0));
    const second = await client.registerDevice('ann', 'phone');
    expect(second).toBeGreaterThan(first);
    // Epoch 2 has not written yet: a replay is answered with the original.
    const replay = await client.append({ ...of(first, 900, 0), key: 'another' });
    expect([replay.seq, replay.duplicate]).toEqual([1, true]);
    expect((await client.append(of(second, 1, 0))).seq).toBe(2);
    const fenced = { reason: 'EPOCH_FENCED', actual: second };
    await expect(client.append(of(first, 901, 900))).rejects.toMatchObject(fenced);
    expect(await bodies(conversation)).toEqual([`${first}/900`, `${second}/1`]);
  });
});

describe('row 4: a group in the order the server gives', () => {
  it('50 writers, readers on all replicas: all reads are prefixes of one sequence', async () => {
    const conversation = 'g:fifty';
    const { cluster } = fixture;
    const clients = [connection(), connection(), connection()];
    const seen: string[][] = [];
    let isWriting = true;
    const readers = cluster.nodes.map(async ({ address }, i) => {
      while (isWriting) {
        const page = await clients[i]?.read({
          ...{ conversation, server: address, level: 'eventual', limit: 1000 },
        });
        seen.push((page?.messages ?? []).map(({ body }) => Buffer.from(body).toString()));
      }
    });
    const writers = Array.from({ length: 50 }, async (_, writer) => {
      for (let clientSeq = 1; clientSeq <= 10; clientSeq++) {
        const said = { ...link(conversation, clientSeq, clientSeq - 1), sender: `w${writer}` };
        await clients[writer % 3]?.append({ ...said, body: `w${writer}/${clientSeq}` });
      }
    });
    await Promise.all(writers);
    isWriting = false;
    await Promise.all(readers);
    const all = await bodies(conversation);
    expect(all).toHaveLength(500);
    expect(seen.length).toBeGreaterThan(3);
    for (const prefix of seen) expect(prefix).toEqual(all.slice(0, prefix.length));
    for (let writer = 0; writer < 50; writer++) {
      const own = all.filter((body) => body.startsWith(`w${writer}/`));
      expect(own).toEqual(Array.from({ length: 10 }, (_, i) => `w${writer}/${i + 1}`));
    }
  });
});

describe('row 24: the two sides of a 1:1 chat', () => {
  it('a reply to 7 stands after 7 for every reader, and cannot come before it', async () => {
    const conversation = 'p:cat~dan';
    const { client } = fixture;
    const say = (sender: string, body: string, seenSeq = 0) =>
      client.append({ conversation, sender, body, ...(seenSeq === 0 ? {} : { seenSeq }) });
    const early = { reason: 'IN_FUTURE', field: 'seen_seq' };
    await expect(say('dan', 'a reply', 7)).rejects.toMatchObject(early);
    for (let i = 1; i <= 7; i++) await say('cat', `${i}`);
    const { seq } = await say('dan', 'a reply', 7);
    expect(seq).toBe(8);
    expect(await bodies(conversation)).toEqual(['1', '2', '3', '4', '5', '6', '7', 'a reply']);
  });
});

describe('row 27: one sender, one receiver, one append at a time', () => {
  it('is ordered, as is the session beside it, which need not wait', async () => {
    const { client } = fixture;
    const count = 100;
    const expected = Array.from({ length: count }, (_, i) => `${i + 1}`);
    const slowMs = performance.now();
    for (const body of expected)
      await client.append({ conversation: 'p:eve~fay', sender: 'ann', body });
    const fastMs = performance.now();
    const all = expected.map((body) =>
      client.append({ conversation: 'p:gus~hal', sender: 'ann', body }),
    );
    await Promise.all(all);
    const endMs = performance.now();
    expect(await bodies('p:eve~fay')).toEqual(expected);
    expect(await bodies('p:gus~hal')).toEqual(expected);
    const rate = (ms: number) => Math.round((count * 1000) / ms);
    console.info(`one at a time ${rate(fastMs - slowMs)}/s, a session ${rate(endMs - fastMs)}/s`);
    expect(endMs - fastMs).toBeLessThan(fastMs - slowMs);
  });
});

describe('row 25: the position before moderation, which ends out of order', () => {
  it('a pending message takes its seq at once, and is ended once', async () => {
    const conversation = 'g:moderated';
    const { client } = fixture;
    const said = { conversation, sender: 'ann', body: 'perhaps', pending: true };
    const [one, two] = [await client.append(said), await client.append(said)];
    expect([one.seq, two.seq]).toEqual([1, 2]);
    const release = { conversation, sender: 'mod', seq: 2, key: 'ok' };
    expect((await client.release(release)).rev).toBe(3);
    expect((await client.release(release)).duplicate).toBe(true);
    const over = { reason: 'NOT_PENDING' };
    await expect(client.reject({ conversation, sender: 'mod', seq: 2 })).rejects.toMatchObject(
      over,
    );
    await client.reject({ conversation, sender: 'mod', seq: 1 });
    await expect(client.release({ ...release, key: 'no', seq: 1 })).rejects.toMatchObject(over);
    await expect(client.release({ ...release, key: 'x', seq: 9 })).rejects.toMatchObject(over);
  });

  it('five whose checks end 4, 5, 2, 3, 1 are shown 1, 2, 3, 4, 5; a rejected one stays as REJECTED', async () => {
    const conversation = 'g:checked';
    const [sender, moderator, reader] = [connection(), connection(), connection()];
    const shown: string[] = [];
    const bodies = new Map<number, string>();
    const view = new OrderedView<null>({
      clock: systemClock,
      onEvent: (event) => {
        if (event.kind === 'released') shown.push(bodies.get(event.place) ?? 'nothing');
        if (event.kind === 'rejected') shown.push(`${event.place} REJECTED`);
      },
    });
    onTestFinished(() => view.close());
    const reading = (async () => {
      for await (const event of reader.subscribe({ conversation, viewer: 'bob' })) {
        if (event.kind === 'message') {
          const { seq, state, body } = event.message;
          expect([state, body.length]).toEqual(['pending', 0]);
          view.put({ place: seq, value: null, state: 'pending' });
        } else if (event.kind === 'released') {
          bodies.set(event.seq, Buffer.from(event.message?.body ?? []).toString());
          view.resolve(event.seq, 'released');
        } else if (event.kind === 'rejected') view.resolve(event.seq, 'rejected');
        if (shown.length === 5) return;
      }
    })();
    for (let i = 1; i <= 5; i++) {
      const said = { conversation, sender: 'ann', body: `message ${i}`, pending: true };
      expect((await sender.append(said)).seq).toBe(i);
    }
    for (const seq of [4, 5, 2, 3, 1]) {
      expect(shown).toEqual([]);
      const end = { conversation, sender: 'mod', seq };
      await (seq === 3 ? moderator.reject(end) : moderator.release(end));
    }
    await reading;
    const expected = ['message 1', 'message 2', '3 REJECTED', 'message 4', 'message 5'];
    expect(shown).toEqual(expected);
    for (const { address: server } of fixture.cluster.nodes) {
      const level = 'linearizable' as const;
      const page = await reader.read({ conversation, server, level, viewer: 'bob' });
      const states = page.messages.map(({ state, body }) => `${state} ${body.length}`);
      expect(states).toEqual(['normal 9', 'normal 9', 'rejected 0', 'normal 9', 'normal 9']);
    }
  });

  it('nobody ends it: the conversation’s choice, at its time, once', async () => {
    const { client } = fixture;
    for (const pendingEnd of ['reject', 'release'] as const) {
      const conversation = `g:${pendingEnd}s`;
      const policy = { pendingTtlMs: 600, pendingEnd };
      await client.setPolicy({ conversation, sender: 'mod', policy });
      const { timeMs, rev } = await client.append({
        ...{ conversation, sender: 'ann', body: 'perhaps', pending: true },
      });
      expect(rev).toBe(2);
      const headRev = async () => (await client.heads([conversation]))[0]?.rev;
      await expect.poll(headRev, { timeout: 5000, interval: 10 }).toBe(3);
      const endedMs = Date.now() - timeMs;
      expect(endedMs).toBeGreaterThan(590);
      expect(endedMs).toBeLessThan(1500);
      await pause(300);
      expect(await headRev()).toBe(3);
      const end = client.release({ conversation, sender: 'mod', seq: 1 });
      await expect(end).rejects.toMatchObject({ reason: 'NOT_PENDING' });
    }
  });
});

describe('row 2: early arrivals wait at the receiver', () => {
  it('3 then 1, 2 inside the wait: no flicker; after it: a mark, then what is late', async () => {
    const conversation = 'p:ida~joe';
    const { client } = fixture;
    for (const body of ['1', '2', '3']) await client.append({ conversation, sender: 'ida', body });
    const { messages } = await client.read({ conversation });
    // As a push service that reorders hands them on.
    const push = (view: OrderedView<string>, seq: number) => {
      const message = messages[seq - 1];
      view.put({ place: seq, value: Buffer.from(message?.body ?? []).toString() });
    };
    const show = (waitMs: number) => {
      const shown: string[] = [];
      const onEvent = (event: OrderedViewEvent<string>) => {
        shown.push('value' in event ? `${event.kind} ${event.value}` : event.kind);
      };
      const view = new OrderedView<string>({ clock: systemClock, waitMs, onEvent });
      onTestFinished(() => view.close());
      return { shown, view };
    };
    const [inTime, tooLate] = [show(10_000), show(100)];
    for (const { view } of [inTime, tooLate]) push(view, 3);
    expect(inTime.shown).toEqual([]);
    await expect.poll(() => tooLate.shown.length, { timeout: 5000, interval: 5 }).toBe(2);
    for (const { view } of [inTime, tooLate]) {
      push(view, 1);
      push(view, 2);
    }
    expect(inTime.shown).toEqual(['released 1', 'released 2', 'released 3']);
    expect(tooLate.shown).toEqual(['gap', 'released 3', 'late 1', 'late 2']);
  });
});
