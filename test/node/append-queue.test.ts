// The way of commands through the queue and the real sequencer: batches whole or not at all, order
// on a stream, limits.
import { describe, expect, test } from 'vitest';
import { refuseGroup } from '../../src/node/groups.ts';
import { outOfOrder, SessionOrder } from '../../src/node/session-order.ts';
import { command, group, Leader, malformed, saying, submit } from './leader.ts';

describe('groups', () => {
  test('are answered once all they rest on is committed, each command in its place', () => {
    const leader = new Leader();
    const first = group([saying('a'), malformed, saying('b')]);
    const second = group([saying('c')]);
    submit(leader, first, second);
    expect([first.answer(), second.answer()]).toEqual([null, null]);
    leader.commit();
    expect(first.answer()).toEqual(['seq 1', 'TOO_LARGE', 'seq 2']);
    expect(second.answer()).toEqual(['seq 3']);
    expect(leader.bodies()).toEqual(['a', 'b', 'c']);
  });

  test('of any size pass a window of any size, in order, into entries of about the target', () => {
    for (const sequenceWindow of [1, 2, 3, 7, 100]) {
      const leader = new Leader({ sequenceWindow, entryBytesTarget: 60 });
      const groups = [5, 1, 0, 9, 2].map((size) => {
        return group(Array.from({ length: size }, (_, i) => saying(`${i}`)));
      });
      submit(leader, ...groups);
      leader.commit();
      const answers = groups.flatMap((each) => each.answer() ?? ['none']);
      expect(answers).toEqual(Array.from({ length: 17 }, (_, i) => `seq ${i + 1}`));
      expect(leader.queue.isEmpty).toBe(true);
      for (const { commandBytes } of leader.log) expect(commandBytes).toBeLessThan(60 + 20);
    }
  });

  test('a duplicate waits for its original, in the draft, proposed before, or committed', () => {
    const leader = new Leader();
    const keyed = command({ key: 'k' });
    const other = command({ key: 'k', body: Buffer.from('other') });
    const first = group([keyed, keyed]);
    submit(leader, first);
    const second = group([keyed]);
    submit(leader, second);
    expect(second.answer()).toBeNull();
    leader.commit();
    expect(first.answer()).toEqual(['seq 1', 'duplicate 1']);
    expect(second.answer()).toEqual(['duplicate 1']);
    expect(leader.log).toHaveLength(1);
    const third = group([other]);
    leader.queue.push(third);
    leader.queue.sequence(leader);
    expect(third.answer()).toBeNull();
    expect(leader.waits.confirmed(leader.rounds)).toBe(true);
    expect(third.answer()).toEqual(['IDEMPOTENCY_MISMATCH']);
  });
});

describe('what memory does not have', () => {
  const time = Date.UTC(2026, 0, 1);
  const inOther = (name: string) => group([command({ conversation: `g:${name}`, sender: 's' })]);

  test('is fetched for what is at hand; what comes meanwhile holds nothing up', () => {
    const leader = new Leader();
    const cold = (maySequence: boolean) => {
      const { rows } = leader.queue.needs(leader.sequencer, leader.holds, time, maySequence);
      return rows.map((row) => {
        leader.rows.admit(row, null);
        return 'conversation' in row ? row.conversation : row.kind;
      });
    };
    const groups = ['a', 'b', 'c'].map(inOther);
    const [a, b, c] = groups;
    for (const each of [a, b]) if (each !== undefined) leader.queue.push(each);
    expect(cold(true)).toEqual(['g:a', 'g:b']);
    if (c !== undefined) leader.queue.push(c);
    expect(cold(true)).toEqual([]);
    leader.queue.sequence(leader);
    expect(leader.log.map(({ commands }) => commands.length)).toEqual([2]);
    leader.queue.push(inOther('d'));
    // While nothing may be sequenced, everything is looked at.
    expect(cold(false)).toEqual(['g:c', 'g:d']);
    leader.run();
    leader.commit();
    expect(groups.map((each) => each.answer())).toEqual([['seq 1'], ['seq 1'], ['seq 1']]);
  });
});

describe('limits', () => {
  test('more commands or bytes than the queue takes are BUSY, and what left makes room', () => {
    const leader = new Leader({ queuedCommandsMax: 4, queuedBytesMax: 45 });
    const two = () => group([saying('x'), saying('y')]);
    leader.queue.push(two());
    leader.queue.push(two());
    expect(leader.queue.push(group([saying('z')]))).toMatchObject({
      reason: 'BUSY',
      limit: 4,
      retryAfterMs: 20,
    });
    leader.run();
    expect(leader.queue.push({ ...two(), bytes: 46 })).toMatchObject({ reason: 'BUSY', limit: 45 });
    expect(leader.queue.push({ ...two(), bytes: 45 })).toBeNull();
    leader.queue.drain();
    expect(leader.queue.push({ ...two(), bytes: 45 })).toBeNull();
  });

  test('where no entry can be opened, commands wait and go on where they stood', () => {
    const leader = new Leader({ entryBytesTarget: 1 });
    leader.room = 2;
    const waiting = group([saying('a'), saying('b'), saying('c')]);
    submit(leader, waiting);
    expect(leader.bodies()).toEqual(['a', 'b']);
    leader.commit();
    expect(waiting.answer()).toBeNull();
    leader.room = 3;
    leader.run();
    leader.commit();
    expect(waiting.answer()).toEqual(['seq 1', 'seq 2', 'seq 3']);
  });
});

describe('an atomic batch', () => {
  test('is stored whole, in an entry of its own', () => {
    const leader = new Leader();
    const batch = group([saying('b'), saying('c')], { atomic: true });
    submit(leader, group([saying('a')]), batch, group([saying('d')]));
    expect(leader.log.map(({ commands }) => commands.length)).toEqual([1, 2, 1]);
    leader.commit();
    expect(batch.answer()).toEqual(['seq 2', 'seq 3']);
  });

  test.each([
    ['refused by state', command({ expectedSeq: 7 }), 'EXPECTED_SEQ_MISMATCH'],
    ['refused at the edge', malformed, 'TOO_LARGE'],
    ['stored before', command({ key: 'old' }), 'ATOMIC_BATCH'],
  ])('with one command %s stores nothing, and leaves no trace', (_, spoiling, reason) => {
    const leader = new Leader();
    submit(leader, group([command({ key: 'old' })]));
    leader.commit();
    const fine = command({ key: 'new', body: Buffer.from('b') });
    for (const commands of [
      [fine, spoiling],
      [spoiling, fine],
    ]) {
      const batch = group(commands, { atomic: true });
      submit(leader, batch);
      leader.waits.confirmed(leader.rounds);
      expect(batch.answer()).toEqual(
        commands.map((each) => (each === spoiling ? reason : 'ATOMIC_BATCH')),
      );
    }
    const after = group([fine]);
    submit(leader, after);
    leader.commit();
    expect(after.answer()).toEqual(['seq 2']);
    expect(leader.log).toHaveLength(2);
  });

  test('sent again is answered with the originals, also while they are not committed', () => {
    const leader = new Leader();
    const keys = ['k1', 'k2', 'k3'].map((key) => command({ key }));
    const [first, again] = [group(keys, { atomic: true }), group(keys, { atomic: true })];
    submit(leader, first, again);
    expect(again.answer()).toBeNull();
    leader.commit();
    expect(again.answer()).toEqual(['duplicate 1', 'duplicate 2', 'duplicate 3']);
    expect(leader.log).toHaveLength(1);
  });

  test('larger than the window passes at once; refused, what was proposed before it stands', () => {
    const leader = new Leader({ sequenceWindow: 2 });
    const five = Array.from({ length: 5 }, () => command());
    const bad = group([...five, command({ expectedSeq: 1 })], { atomic: true });
    const good = group([...five, command({ expectedSeq: 6 })], { atomic: true });
    submit(leader, group([saying('a')]), bad, good);
    leader.commit();
    leader.waits.confirmed(1);
    expect(bad.answer()).toEqual([...Array(5).fill('ATOMIC_BATCH'), 'EXPECTED_SEQ_MISMATCH']);
    expect(good.answer()).toEqual(['seq 2', 'seq 3', 'seq 4', 'seq 5', 'seq 6', 'seq 7']);
  });
});

describe('order on a stream', () => {
  const inB = command({ conversation: 'g:b' });
  const never = command({ expectedSeq: 9 });

  test('a refused command refuses all later ones of its conversation until it is restarted', () => {
    const leader = new Leader();
    const order = new SessionOrder();
    const broken = group([saying('a'), never, saying('b'), inB], {
      session: order.nextGroup(),
    });
    const later = group([saying('c'), inB], { session: order.nextGroup() });
    const whole = group([saying('d'), saying('e')], {
      session: order.nextGroup(),
      atomic: true,
    });
    const restarted = group([saying('f'), never, saying('g')], {
      session: order.nextGroup(),
      restart: ['g:a'],
    });
    const others = group([saying('h')], { session: new SessionOrder().nextGroup() });
    const unary = group([saying('i')]);
    submit(leader, broken, later, whole, restarted, others, unary);
    leader.commit();
    for (let round = 1; round <= leader.rounds; round++) leader.waits.confirmed(round);
    expect(broken.answer()).toEqual(['seq 1', 'EXPECTED_SEQ_MISMATCH', 'SESSION_ORDER', 'seq 1']);
    expect(later.answer()).toEqual(['SESSION_ORDER', 'seq 2']);
    expect(whole.answer()).toEqual(['SESSION_ORDER', 'SESSION_ORDER']);
    expect(restarted.answer()).toEqual(['seq 2', 'EXPECTED_SEQ_MISMATCH', 'SESSION_ORDER']);
    expect([others.answer(), unary.answer()]).toEqual([['seq 3'], ['seq 4']]);
    expect(outOfOrder.field).toBe('conversation');
  });

  test('a command refused at the edge breaks its conversation as any refusal does', () => {
    const session = new SessionOrder().nextGroup();
    const leader = new Leader();
    const refused = group([malformed], { session });
    submit(leader, refused);
    expect(refused.answer()).toEqual(['TOO_LARGE']);
    expect(session.isBroken(malformed.conversation)).toBe(true);
  });

  test('a stream that broke too many conversations has to end', () => {
    const order = new SessionOrder();
    const session = order.nextGroup();
    for (let i = 0; i < 65_536; i++) session.break(`g:${i}`);
    session.break('g:0');
    expect(order.isOverfull).toBe(false);
    session.break('g:more');
    expect(order.isOverfull).toBe(true);
    const next = order.nextGroup();
    next.restart(['g:0', 'g:1']);
    expect([next.isBroken('g:0'), next.isBroken('g:2')]).toEqual([false, true]);
  });

  test('the end of a term breaks the order of every conversation that was on its way', () => {
    const leader = new Leader();
    const session = new SessionOrder().nextGroup();
    submit(leader, group([saying('a')], { session }));
    leader.room = 1;
    leader.queue.push(group([inB], { session }));
    leader.lose();
    expect([session.isBroken('g:a'), session.isBroken('g:b')]).toEqual([true, true]);
  });

  test('a restart that waited forgives nothing that was refused behind it meanwhile', () => {
    const leader = new Leader();
    const order = new SessionOrder();
    order.nextGroup().break('g:a');
    const waiting = group([saying('a')], { session: order.nextGroup(), restart: ['g:a'] });
    leader.queue.push(waiting);
    const busy = { reason: 'BUSY', message: 'the queue is full' } as const;
    refuseGroup(group([saying('b')], { session: order.nextGroup() }), busy);
    const behind = group([saying('c')], { session: order.nextGroup() });
    submit(leader, behind);
    leader.commit();
    expect([waiting.answer(), behind.answer()]).toEqual([['seq 1'], ['SESSION_ORDER']]);
    const named = group([saying('b'), saying('c')], {
      session: order.nextGroup(),
      restart: ['g:a'],
    });
    submit(leader, named);
    leader.commit();
    expect(named.answer()).toEqual(['seq 2', 'seq 3']);
  });
});
