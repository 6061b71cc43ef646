// The outbox's chains: gaps, holes left by what was refused, restarts of the app, epochs, and memory.
import { describe, expect, it } from 'vitest';
import { MemoryOutboxStore } from '../../src/client/outbox-memory.ts';
import { Desk, endOf, refuse, room } from './outbox-desk.ts';
import { message } from './outbox-store-suite.ts';

const policies = ['mark', 'reject', 'skip'] as const;
const letters = ['a', 'b', 'c', 'd'];

describe('a message refused for ever', () => {
  it.each(policies)(
    'fails alone; those behind it are linked to the one before (%s)',
    async (policy) => {
      const desk = new Desk();
      desk.server.policy = policy;
      desk.server.refuse = ({ body }) => (String(body) === 'b' ? refuse('QUOTA') : null);
      const outbox = await desk.open();
      const items = await desk.send(outbox, ...letters);
      await desk.run(1000);
      expect(desk.server.values(room)).toEqual(['a', 'c', 'd']);
      expect(desk.server.markers).toEqual([]);
      expect(await Promise.all(items.map(({ stored }) => endOf(stored)))).toEqual([
        1,
        'QUOTA',
        2,
        3,
      ]);
      expect(desk.server.chain(room)).toEqual({ epoch: 1, last: 4, gaps: [] });
      expect(outbox.pending(room)).toBe(0);
    },
  );

  it('is surely gone before the app hears of it and before those behind it are sent', async () => {
    const desk = new Desk();
    desk.server.refuse = ({ body }) => (String(body) === 'a' ? refuse('QUOTA') : null);
    const outbox = await desk.open();
    await desk.send(outbox, 'a', 'b');
    desk.store.isSlow = true;
    await desk.run(1000);
    expect(desk.ends).toEqual([]);
    expect(desk.lane).toEqual([]);
    desk.store.finish();
    await desk.clock.settle();
    expect(desk.ends.map(({ kind }) => kind)).toEqual(['failed']);
    expect(desk.lane).toEqual([['b', 2, 0]]);
  });

  it('is OUTCOME_UNKNOWN where an earlier attempt may have stored it, unless all would be refused', async () => {
    for (const [reason, end] of [
      ['QUOTA', 'OUTCOME_UNKNOWN'],
      ['IDEMPOTENCY_MISMATCH', 'IDEMPOTENCY_MISMATCH'],
      ['TOO_LARGE', 'TOO_LARGE'],
    ] as const) {
      const desk = new Desk();
      const outbox = await desk.open();
      desk.server.trouble = [refuse('OUTCOME_UNKNOWN'), refuse(reason)];
      const [item] = await desk.send(outbox, 'a');
      await desk.run(1000);
      expect(item && (await endOf(item.stored))).toBe(end);
    }
  });

  it('by EXPECTED_SEQ_MISMATCH after an unknown attempt is so only where the head is beyond', async () => {
    for (const [actual, end] of [
      [3, 'EXPECTED_SEQ_MISMATCH'],
      [1, 'OUTCOME_UNKNOWN'],
    ] as const) {
      const desk = new Desk();
      const outbox = await desk.open();
      desk.server.trouble = [
        refuse('OUTCOME_UNKNOWN'),
        refuse('EXPECTED_SEQ_MISMATCH', { actual }),
      ];
      const sent = outbox.send({ conversation: room, body: 'a', expectedSeq: 2 });
      await desk.run(1000);
      expect(await endOf((await sent).stored)).toBe(end);
    }
  });
});

describe('a chain', () => {
  it('that the server has less of is sent again from there: SENDER_GAP', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    await desk.send(outbox, ...letters);
    desk.link.send();
    desk.link.take(2);
    desk.link.take(2);
    desk.server.endHolds();
    expect(desk.link.answers.map(({ result }) => result)).toMatchObject([
      { reason: 'SENDER_GAP', actual: 0, want: 2 },
      { reason: 'SENDER_GAP', actual: 0, want: 3 },
    ]);
    await desk.run(1000);
    expect(desk.server.values(room)).toEqual(letters);
  });

  it('goes on behind the server`s end where what came before is gone there', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    await desk.send(outbox, 'a', 'b', 'c');
    await desk.run(500);
    desk.server.chain(room).last = 1;
    const [item] = await desk.send(outbox, 'd');
    await desk.run();
    desk.server.endHolds();
    await desk.run(500);
    expect(await item?.stored).toMatchObject({ seq: 4, duplicate: false });
  });

  it('goes on behind the server`s end where that is ahead, but before the message', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    desk.server.refuse = ({ body }) => (String(body) === 'a' ? refuse('QUOTA') : null);
    await desk.send(outbox, 'a', 'b');
    desk.server.chain(room).epoch = 1;
    desk.server.chain(room).last = 1;
    await desk.run(1000);
    expect(desk.server.values(room)).toEqual(['b']);
    expect(desk.server.chain(room)).toEqual({ epoch: 1, last: 2, gaps: [] });
  });

  it('that has passed a message ends it OUTCOME_UNKNOWN and goes on', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    Object.assign(desk.server.chain(room), { epoch: 1, last: 2 });
    const items = await desk.send(outbox, 'a', 'b', 'c');
    await desk.run(2000);
    const ends = await Promise.all(items.map(({ stored }) => endOf(stored)));
    expect(ends).toEqual(['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN', 1]);
    expect(desk.server.markers).toEqual([]);
    await desk.close(outbox);
    const next = await desk.reopen();
    expect(next.pending(room)).toBe(0);
  });
});

describe('an outbox opened again', () => {
  it('sends everything unsent, in order, with the same keys, and counts on', async () => {
    const desk = new Desk();
    const first = await desk.open();
    const items = await desk.send(first, 'a', 'b', 'c');
    desk.link.send();
    desk.link.take();
    const outbox = await desk.reopen();
    expect(outbox.pending(room)).toBe(3);
    expect(outbox.conversations()).toEqual([room]);
    await desk.clock.settle();
    await desk.send(outbox, 'd');
    expect(desk.lane).toEqual([
      ['a', 1, 0],
      ['b', 2, 1],
      ['c', 3, 2],
      ['d', 4, 3],
    ]);
    await desk.run(1000);
    expect(desk.server.values(room)).toEqual(letters);
    expect(desk.server.log.slice(0, 3).map(({ key }) => key)).toEqual(items.map(({ key }) => key));
    expect(desk.ends.map(({ kind }) => kind)).toEqual(['stored', 'stored', 'stored', 'stored']);
  });

  it('never gives a number twice, whatever deletions were lost', async () => {
    const desk = new Desk();
    const first = await desk.open();
    await desk.send(first, 'a', 'b');
    await desk.run(500);
    expect(desk.store.writes.length).toBeGreaterThan(desk.store.synced);
    const outbox = await desk.reopen();
    expect(outbox.lastClientSeq(room)).toBe(2);
    await desk.send(outbox, 'c');
    await desk.run(500);
    expect(desk.server.values(room)).toEqual(['a', 'b', 'c']);
    await desk.close(outbox);
    const last = await desk.reopen();
    expect(last.lastClientSeq(room)).toBe(3);
    await desk.send(last, 'd');
    expect(desk.lane).toEqual([['d', 4, 3]]);
  });

  it('is refused a sender or device that the server would refuse', async () => {
    for (const [options, reason] of [
      [{ sender: '' }, 'BAD_SENDER'],
      [{ device: 'd'.repeat(65) }, 'TOO_LARGE'],
      [{ epoch: -1 }, 'BAD_COMMAND'],
    ] as const) {
      const desk = new Desk();
      await expect(desk.open(options)).rejects.toMatchObject({ reason });
      expect(desk.store.isClosed).toBe(true);
    }
  });

  it('belongs to one sender and device', async () => {
    for (const other of [{ sender: 'bob' }, { device: 'tablet' }]) {
      const desk = new Desk();
      await desk.close(await desk.open());
      await expect(desk.reopen(other)).rejects.toMatchObject({ reason: 'BAD_REQUEST' });
      expect(desk.store.isClosed).toBe(true);
    }
  });
});

describe('close', () => {
  it('sends no more, ends what is open STOPPING, and keeps it', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    const [item] = await desk.send(outbox, 'a');
    desk.link.send();
    desk.store.isSlow = true;
    const late = outbox.send({ conversation: room, body: 'b' });
    const drained = endOf(outbox.drain().then(() => Promise.reject(new Error('drained'))));
    const closed = outbox.close();
    await desk.clock.settle();
    expect(desk.store.isClosed).toBe(false);
    expect(item && (await endOf(item.stored))).toBe('STOPPING');
    desk.store.finish();
    await desk.clock.settle();
    desk.store.finish();
    await closed;
    expect(desk.store.isClosed).toBe(true);
    expect(await endOf((await late).stored)).toBe('STOPPING');
    expect(await drained).toBe('STOPPING');
    await expect(outbox.send({ conversation: room, body: 'c' })).rejects.toMatchObject({
      reason: 'STOPPING',
    });
    const next = await desk.reopen();
    expect(next.pending(room)).toBe(2);
    expect((await next.unsent(room)).map(({ clientSeq }) => clientSeq)).toEqual([1, 2]);
  });
});

describe('close while a refused message is being removed', () => {
  /** 'a' is refused, its removal is not written yet; 'b' is still to go. */
  async function refusedAtClose() {
    const desk = new Desk();
    desk.server.refuse = ({ body }) => (String(body) === 'a' ? refuse('QUOTA') : null);
    const outbox = await desk.open();
    const told: string[] = [];
    for (const { clientSeq, stored } of await desk.send(outbox, 'a', 'b')) {
      void endOf(stored).then((end) => told.push(`${clientSeq} ${end}`));
    }
    desk.store.isSlow = true;
    await desk.run();
    expect(told).toEqual([]);
    return { desk, outbox, told };
  }

  it('tells it what it was refused with, once, and the others that they are kept', async () => {
    const { desk, outbox, told } = await refusedAtClose();
    const closed = outbox.close();
    await desk.clock.settle();
    expect(told).toEqual(['2 STOPPING']);
    expect(desk.store.isClosed).toBe(false);
    desk.store.isSlow = false;
    desk.store.finish();
    await desk.clock.settle();
    await closed;
    expect(desk.store.isClosed).toBe(true);
    expect(told).toEqual(['2 STOPPING', '1 QUOTA']);
    expect(desk.ends.map(({ kind, kept }) => [kind, kept.clientSeq])).toEqual([['failed', 1]]);
    const next = await desk.reopen();
    expect((await next.unsent(room)).map(({ clientSeq }) => clientSeq)).toEqual([2]);
  });

  it.each([true, false])(
    'tells it what the store failed with (closed before: %s)',
    async (isClosed) => {
      const { desk, outbox, told } = await refusedAtClose();
      const closed = isClosed ? outbox.close() : null;
      await desk.clock.settle();
      desk.store.finish(new Error('the disk is full'));
      await desk.clock.settle();
      await (closed ?? outbox.close());
      expect(told.sort()).toEqual([
        '1 Error: the disk is full',
        isClosed ? '2 STOPPING' : '2 Error: the disk is full',
      ]);
      expect(desk.ends).toEqual([]);
      expect(desk.store.isClosed).toBe(true);
    },
  );
});

it('an answer after close changes nothing', async () => {
  const desk = new Desk();
  const outbox = await desk.open();
  await desk.send(outbox, 'a');
  desk.link.heedsSignal = false;
  desk.link.send();
  await desk.close(outbox);
  const { length } = desk.store.writes;
  await desk.run(1000);
  expect(desk.server.values(room)).toEqual(['a']);
  expect(desk.store.writes.length).toBe(length);
  expect(desk.ends).toEqual([]);
});

describe('epochs', () => {
  it('EPOCH_FENCED ends the outbox; what is unsent is kept until it is discarded', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    const [first] = await desk.send(outbox, 'a');
    await desk.run(200);
    expect(await first?.stored).toMatchObject({ seq: 1 });
    await expect(outbox.discard()).rejects.toMatchObject({ reason: 'BAD_REQUEST' });
    Object.assign(desk.server.chain(room), { epoch: 2, last: 0 });
    const items = await desk.send(outbox, 'b', 'c');
    const drained = endOf(outbox.drain().then(() => Promise.reject(new Error('drained'))));
    await desk.run(1000);
    const ends = await Promise.all(items.map(({ stored }) => endOf(stored)));
    expect(ends).toEqual(['EPOCH_FENCED', 'EPOCH_FENCED']);
    expect(await drained).toBe('EPOCH_FENCED');
    await expect(desk.send(outbox, 'd')).rejects.toMatchObject({
      reason: 'EPOCH_FENCED',
      actual: 2,
    });
    expect(await outbox.unsent(room)).toHaveLength(2);
    const discarded = outbox.discard();
    await desk.clock.settle();
    expect(await discarded).toBe(2);
    expect(await outbox.unsent(room)).toEqual([]);
    await desk.close(outbox);
    const next = await desk.reopen({ epoch: 3 });
    expect(next.pending(room)).toBe(0);
    expect(next.lastClientSeq(room)).toBe(3);
    await desk.send(next, 'd');
    await desk.run();
    expect(desk.server.values(room)).toEqual(['a', 'd']);
  });

  it('and is not discarded by a store that fails: what it failed with is told', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    desk.server.chain(room).epoch = 2;
    await desk.send(outbox, 'a', 'b');
    await desk.run();
    desk.store.write = () => Promise.reject(new Error('disk full'));
    let reads = 0;
    const read = desk.store.readMessages.bind(desk.store);
    desk.store.readMessages = (...asked) => {
      reads += 1;
      if (reads > 100) throw new Error('it reads on and on');
      return read(...asked);
    };
    const discarded = expect(outbox.discard()).rejects.toThrow('disk full');
    await desk.clock.pass(1000);
    await discarded;
    await desk.close(outbox);
  });

  it('a higher one begins the chains anew: same keys, once, in order, without markers', async () => {
    const desk = new Desk();
    desk.server.policy = 'mark';
    const first = await desk.open();
    const items = await desk.send(first, ...letters);
    desk.link.send();
    desk.link.take();
    desk.link.take();
    // Two are stored, none was answered, nothing else arrives.
    const outbox = await desk.reopen({ epoch: 5, uuid: () => 'another uuid' });
    for (let i = 0; i < 20; i++) {
      await desk.run(200);
      desk.server.endHolds();
    }
    expect(desk.server.values(room)).toEqual(letters);
    expect(desk.server.log.map(({ key }) => key)).toEqual(items.map(({ key }) => key));
    expect(desk.server.log.map(({ epoch }) => epoch)).toEqual([1, 1, 5, 5]);
    expect(desk.server.markers).toEqual([]);
    await outbox.drain();
    await desk.close(outbox);
    const last = await desk.reopen({ epoch: 5, uuid: () => 'another uuid' });
    expect(await desk.store.readHead()).toMatchObject({ epoch: 5, uuid: 'a uuid' });
    await desk.send(last, 'e');
    expect(desk.lane).toEqual([['e', 5, 4]]);
  });

  it('a lower one than the store`s is refused', async () => {
    const desk = new Desk();
    await desk.close(await desk.open({ epoch: 3 }));
    await expect(desk.reopen({ epoch: 2 })).rejects.toMatchObject({
      reason: 'EPOCH_FENCED',
      actual: 3,
    });
  });
});

describe('memory', () => {
  it('holds so many messages of a conversation and in all; the others are read as there is room', async () => {
    const desk = new Desk();
    const limits = { conversationWindowMax: 4, windowMax: 6 };
    const outbox = await desk.open(limits);
    const rooms = ['g:a', 'g:b', 'g:c'];
    const bodies = Array.from({ length: 30 }, (_, i) => String(i));
    for (const conversation of rooms) {
      for (const body of bodies) void outbox.send({ conversation, body });
    }
    await desk.clock.settle();
    const sentOf = (conversation: string) => {
      return desk.link.lane.filter(({ append }) => append.conversation === conversation).length;
    };
    expect(rooms.map(sentOf)).toEqual([4, 2, 0]);
    let most = 0;
    for (let i = 0; i < 60; i++) {
      await desk.run(100);
      most = Math.max(most, desk.link.lane.length);
    }
    expect(most).toBeLessThanOrEqual(6);
    for (const conversation of rooms) expect(desk.server.values(conversation)).toEqual(bodies);
    await outbox.drain();
  });

  it('holds no more bytes of bodies than it may, beyond one message', async () => {
    const desk = new Desk();
    const outbox = await desk.open({ windowBytesMax: 1000 });
    for (let i = 0; i < 20; i++) {
      void outbox.send({ conversation: `g:${i % 2}`, body: Buffer.alloc(400, i) });
    }
    await desk.clock.settle();
    expect(desk.link.lane.length).toBe(3);
    for (let i = 0; i < 20; i++) {
      await desk.run(100);
      expect(desk.link.lane.length).toBeLessThanOrEqual(3);
    }
    expect(desk.server.log.length).toBe(20);
    await outbox.drain();
  });

  it('gives on the room that was taken for a page without messages', async () => {
    const desk = new Desk();
    const store = new MemoryOutboxStore();
    const row = { epoch: 1, last: 1, linked: 0, kept: 1 };
    const chains = ['g:a', 'g:b'].map((conversation) => ({ ...row, conversation }));
    await store.write({ chains, puts: [message('g:b', 1)], removes: [] });
    await desk.open({ store, windowMax: 2 });
    expect(desk.lane).toEqual([['body', 1, 0]]);
  });

  it('holds nothing that a page shows before it is durable', async () => {
    const desk = new Desk();
    const store = new MemoryOutboxStore();
    const outbox = await desk.open({ store, conversationWindowMax: 2 });
    await desk.send(outbox, 'a', 'b', 'c');
    const write = store.write.bind(store);
    const syncs: (() => void)[] = [];
    store.write = async (rows) => {
      await write(rows);
      await new Promise<void>((resolve) => syncs.push(resolve));
    };
    const late = desk.send(outbox, 'd');
    await desk.clock.settle();
    desk.link.run();
    await desk.clock.settle();
    expect(desk.lane).toEqual([['c', 3, 2]]);
    for (const sync of syncs.splice(0)) sync();
    await desk.clock.settle();
    expect(desk.lane).toEqual([
      ['c', 3, 2],
      ['d', 4, 3],
    ]);
    await late;
  });

  it('a store that cannot be read ends the outbox', async () => {
    const desk = new Desk();
    await desk.send(await desk.open(), 'a');
    const memory = new MemoryOutboxStore();
    for (const write of desk.store.writes) await memory.write(write);
    memory.readMessages = () => Promise.reject(new Error('unreadable'));
    const outbox = await desk.open({ store: memory });
    await expect(outbox.drain()).rejects.toThrow('unreadable');
    await desk.close(outbox);
  });
});
