// The outbox with a server that keeps chains: what it keeps, when it sends, and what it sends again.
import { describe, expect, it } from 'vitest';
import type { Reason } from '../../src/errors.ts';
import { Desk, endOf, refuse, room } from './outbox-desk.ts';

describe('send', () => {
  it('makes what comes in one tick durable in one synced write, and only then sends it', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    desk.store.isSlow = true;
    const { length } = desk.store.writes;
    const sent = desk.send(outbox, 'a', 'b', 'c');
    await desk.clock.settle();
    expect(desk.lane).toEqual([]);
    desk.store.finish();
    await desk.clock.settle();
    expect(desk.store.writes.length).toBe(length + 1);
    expect(desk.store.synced).toBe(length + 1);
    expect((await sent).map(({ clientSeq }) => clientSeq)).toEqual([1, 2, 3]);
    expect(desk.lane).toEqual([
      ['a', 1, 0],
      ['b', 2, 1],
      ['c', 3, 2],
    ]);
  });

  it('resolves `stored` with the server`s numbers and forgets the message', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    const [first, second] = await desk.send(outbox, 'a', 'b');
    expect(outbox.pending(room)).toBe(2);
    await desk.run(500);
    expect((await first?.stored)?.seq).toBe(1);
    expect((await second?.stored)?.seq).toBe(2);
    await outbox.drain();
    expect(outbox.pending(room)).toBe(0);
    expect(outbox.lastClientSeq(room)).toBe(2);
    expect(await desk.store.readMessages(room, 0, { count: 9, bytes: 99 })).toEqual([]);
    expect(desk.ends.map(({ kind }) => kind)).toEqual(['stored', 'stored']);
  });

  it('gives every message another key, of at most 64 bytes, in all rooms, epochs and stores', async () => {
    const keys: string[] = [];
    for (const [uuid, device, epoch] of [
      ['u1', 'phone', 1],
      ['u1', 'phone', 2],
      ['u2', 'phone', 1],
      ['u1', 'phone1', 1],
    ] as const) {
      const desk = new Desk();
      const outbox = await desk.open({ uuid: () => uuid, device, epoch });
      for (const conversation of ['g:a', 'g:b']) {
        const sent = [1, 2].map(() => outbox.send({ conversation, body: '' }));
        await desk.clock.settle();
        for (const { key } of await Promise.all(sent)) keys.push(key);
      }
    }
    expect(new Set(keys).size).toBe(16);
    for (const key of keys) expect(key).toMatch(/^[!-~]{1,64}$/);
  });

  it('takes an option that is given as undefined for one that is not', async () => {
    const desk = new Desk();
    const names = ['messagesMax', 'conversationWindowMax', 'windowMax', 'windowBytesMax'];
    const absent = Object.fromEntries([...names, 'pauseMaxMs'].map((name) => [name, undefined]));
    const outbox = await desk.open(absent);
    desk.server.trouble = [refuse('BUSY')];
    const items = await desk.send(outbox, 'a', 'b');
    await desk.run(1000);
    expect(await Promise.all(items.map(({ stored }) => endOf(stored)))).toEqual([1, 2]);
  });

  it('refuses at once what the server would refuse, and gives it no number', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    const bad: [object, Reason][] = [
      [{ conversation: 'lobby' }, 'BAD_CONVERSATION'],
      [{ body: Buffer.alloc(256 * 1024 + 1) }, 'TOO_LARGE'],
      [{ contentType: 'x'.repeat(129) }, 'TOO_LARGE'],
      [{ headers: [{ name: '', value: 'x' }] }, 'BAD_COMMAND'],
      [{ headers: Array.from({ length: 33 }, () => ({ name: 'a', value: '' })) }, 'TOO_LARGE'],
      [{ expectedSeq: -1 }, 'BAD_COMMAND'],
      [{ seenSeq: 0.5 }, 'BAD_COMMAND'],
      [{ conversation: 5 }, 'BAD_CONVERSATION'],
      [{ body: undefined }, 'BAD_COMMAND'],
      [{ body: new ArrayBuffer(5) }, 'BAD_COMMAND'],
    ];
    for (const [fields, reason] of bad) {
      const sent = outbox.send({ conversation: room, body: 'x', ...fields });
      await expect(sent, reason).rejects.toMatchObject({ reason });
    }
    await desk.send(outbox, 'a');
    expect(desk.lane).toEqual([['a', 1, 0]]);
  });

  it('is one chain for both names of a pair, and carries everything a message has', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    const fields = { contentType: 'text/x', headers: [{ name: 'n', value: '' }], seenSeq: 0 };
    const sent = [
      outbox.send({ conversation: 'p:b~a', body: Buffer.from([0, 255]), ...fields }),
      outbox.send({ conversation: 'p:a~b', body: 'é', pending: true, clientTimeMs: 7 }),
    ];
    await desk.clock.settle();
    const [, second] = await Promise.all(sent);
    expect(desk.link.lane.map(({ append }) => append)).toMatchObject([
      { conversation: 'p:a~b', sender: 'ann', device: 'phone', epoch: 1, ...fields },
      {
        body: Buffer.from('é'),
        pending: true,
        clientTimeMs: 7,
        prevClientSeq: 1,
        key: second?.key,
      },
    ]);
    expect(desk.link.lane[0]?.append.body).toEqual(Buffer.from([0, 255]));
  });

  it('is asked for by both names of a pair; a name that is none is refused', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    const sent = outbox.send({ conversation: 'p:bob~ann', body: 'x' });
    await desk.clock.settle();
    await sent;
    for (const name of ['p:bob~ann', 'p:ann~bob']) {
      expect(outbox.pending(name)).toBe(1);
      expect(outbox.lastClientSeq(name)).toBe(1);
      expect((await outbox.unsent(name)).map(({ clientSeq }) => clientSeq)).toEqual([1]);
    }
    const refusal = { reason: 'BAD_CONVERSATION', field: 'conversation' };
    for (const name of ['lobby', undefined as unknown as string]) {
      expect(() => outbox.pending(name)).toThrow(expect.objectContaining(refusal));
      expect(() => outbox.lastClientSeq(name)).toThrow(expect.objectContaining(refusal));
      await expect(outbox.unsent(name)).rejects.toMatchObject(refusal);
    }
  });

  it('is BUSY where as many messages are kept as may be', async () => {
    const desk = new Desk();
    const outbox = await desk.open({ messagesMax: 2 });
    await desk.send(outbox, 'a', 'b');
    await expect(desk.send(outbox, 'c')).rejects.toMatchObject({ reason: 'BUSY', limit: 2 });
    await desk.run();
    await desk.send(outbox, 'c');
  });

  it('fails, and nothing more is sent or written, once the store has failed', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    const [kept] = await desk.send(outbox, 'a');
    desk.store.isSlow = true;
    const sent = desk.send(outbox, 'b');
    const later = outbox.drain();
    await desk.clock.settle();
    const { length } = desk.store.writes;
    const disk = new Error('the disk is full');
    desk.store.finish(disk);
    await expect(sent).rejects.toBe(disk);
    await expect(later).rejects.toBe(disk);
    await expect(kept?.stored).rejects.toBe(disk);
    await expect(outbox.send({ conversation: room, body: 'c' })).rejects.toBe(disk);
    await desk.run(1000);
    expect(desk.store.writes.length).toBe(length);
    await outbox.close();
    expect(desk.store.isClosed).toBe(true);
  });
});

describe('an attempt that fails', () => {
  const reasons: Reason[] = [
    ...(['UNREACHABLE', 'NO_LEADER', 'NOT_LEADER', 'BUSY', 'STOPPING'] as const),
    ...(['OUTCOME_UNKNOWN', 'SESSION_ORDER', 'INTERNAL'] as const),
  ];
  it.each(reasons)(
    'with %s is made again with the same key, before all later ones',
    async (reason) => {
      const desk = new Desk();
      const outbox = await desk.open();
      desk.server.trouble = [refuse(reason), refuse(reason), refuse(reason)];
      const items = await desk.send(outbox, 'a', 'b', 'c');
      await desk.run(2000);
      expect(desk.server.values(room)).toEqual(['a', 'b', 'c']);
      expect(desk.server.log.map(({ key }) => key)).toEqual(items.map(({ key }) => key));
      expect(await Promise.all(items.map(({ stored }) => endOf(stored)))).toEqual([1, 2, 3]);
      expect(desk.server.taken.length).toBeGreaterThan(3);
    },
  );

  it('is made again for ever, at growing intervals, at most the longest apart', async () => {
    const desk = new Desk();
    const outbox = await desk.open({ pauseMaxMs: 1000 });
    desk.server.refuse = () => refuse('NO_LEADER');
    const [item] = await desk.send(outbox, 'a');
    const counts: number[] = [];
    for (let i = 0; i < 4; i++) {
      const before = desk.server.taken.length;
      await desk.run(20_000);
      counts.push(desk.server.taken.length - before);
    }
    expect(counts[0]).toBeLessThan(40);
    expect(counts[3]).toBeGreaterThan(20);
    desk.server.refuse = () => null;
    await desk.run(2000);
    expect(await item?.stored).toMatchObject({ seq: 1 });
  });

  it('waits as long as the server asked', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    desk.server.trouble = [refuse('BUSY', { retryAfterMs: 5000 })];
    await desk.send(outbox, 'a');
    await desk.run(4900);
    expect(desk.server.taken.length).toBe(1);
    await desk.run(300);
    expect(desk.server.taken.length).toBe(2);
  });

  it('takes back what follows it and was not sent yet: nothing overtakes it', async () => {
    const desk = new Desk();
    desk.server.policy = 'skip';
    const outbox = await desk.open();
    await desk.send(outbox, 'a', 'b');
    desk.link.expire();
    expect(desk.lane).toEqual([]);
    await desk.run(1000);
    expect(desk.server.values(room)).toEqual(['a', 'b']);
    expect(desk.server.log.map(({ late }) => late)).toEqual([false, false]);
  });

  it('takes back the newest first: none may go before one that is still to go', async () => {
    const desk = new Desk();
    const takenBack: string[] = [];
    const { append } = desk.link;
    const outbox = await desk.open({
      append: (each, resolve, reject, signal) => {
        signal.addEventListener('abort', () => takenBack.push(String(each.body)));
        append(each, resolve, reject, signal);
      },
    });
    await desk.send(outbox, 'a', 'b', 'c');
    desk.link.expire();
    expect(takenBack).toEqual(['c', 'b', 'a']);
  });

  it('holds up what follows until all that was out is back, where that cannot be taken back', async () => {
    const desk = new Desk();
    desk.link.heedsSignal = false;
    const outbox = await desk.open();
    await desk.send(outbox, 'a', 'b');
    desk.link.send();
    desk.link.expire();
    await desk.send(outbox, 'c');
    await desk.clock.pass(5000);
    expect(desk.lane).toEqual([]);
    desk.link.expire();
    await desk.clock.pass(5000);
    expect(desk.lane).toEqual([
      ['a', 1, 0],
      ['b', 2, 1],
      ['c', 3, 2],
    ]);
  });

  it('is stored once where only its answer was lost', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    const items = await desk.send(outbox, 'a', 'b');
    desk.link.send();
    desk.link.take();
    desk.link.cut();
    await desk.run(1000);
    expect(desk.server.values(room)).toEqual(['a', 'b']);
    expect(await items[0]?.stored).toMatchObject({ seq: 1, duplicate: true });
  });

  it('does not hold up other conversations', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    desk.server.refuse = ({ conversation }) => (conversation === room ? refuse('BUSY') : null);
    await desk.send(outbox, 'a');
    const other = outbox.send({ conversation: 'g:other', body: 'b' });
    await desk.run(500);
    expect(await (await other).stored).toMatchObject({ seq: 1 });
  });
});
