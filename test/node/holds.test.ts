// Links that wait for their predecessor: told at once, stored behind it in the same entry, bounded, and
// ended with the term.
import { describe, expect, it } from 'vitest';
import { AppendCommand } from '../../src/gen/proto.ts';
import { holdLimits } from '../../src/node/holds.ts';
import { SessionOrder } from '../../src/node/session-order.ts';
import { command, group, Leader, submit } from './leader.ts';

function link(
  clientSeq: number,
  prevClientSeq: number,
  more: { body?: string; key?: string } = {},
) {
  const { body = `${clientSeq}`, key } = more;
  return command({
    ...{ conversation: 'g:a', sender: 's', body: Buffer.from(body), clientSeq, prevClientSeq },
    ...(key === undefined ? {} : { key }),
  });
}

function deviceLink(device: string, clientSeq: number, prevClientSeq: number) {
  const body = Buffer.from(`${device}${clientSeq}`);
  return command({ conversation: 'g:a', sender: 's', device, body, clientSeq, prevClientSeq });
}

const waitMs = 500;

describe('what is held', () => {
  it('is told at once, and stored right behind its predecessor, in the same entry', () => {
    const leader = new Leader();
    const [thirty, ten, twenty] = [
      group([link(30, 20)]),
      group([link(10, 0)]),
      group([link(20, 10)]),
    ];
    submit(leader, thirty);
    expect(thirty.answer()).toEqual(['held 0']);
    submit(leader, ten);
    leader.commit();
    expect([thirty.answer(), ten.answer()]).toEqual([['held 0'], ['seq 1']]);
    submit(leader, twenty);
    expect(leader.log).toHaveLength(2);
    expect(twenty.answer()).toBeNull();
    leader.commit();
    expect([twenty.answer(), thirty.answer()]).toEqual([['seq 2'], ['seq 3']]);
    expect(leader.holds.isEmpty).toBe(true);
  });

  it('may come in the group that ends its wait: its end is then its answer', () => {
    const leader = new Leader();
    const all = group([link(3, 2), link(1, 0), link(2, 1)]);
    submit(leader, all);
    leader.commit();
    expect(all.answer()).toEqual(['seq 3', 'seq 1', 'seq 2']);
  });

  it('is joined by the same key, and both hear of its end', () => {
    const leader = new Leader();
    const [one, same, other] = [
      group([link(2, 1, { key: 'k' })]),
      group([link(2, 1, { key: 'k' })]),
      group([link(2, 1, { key: 'k', body: 'not that' })]),
    ];
    submit(leader, one, same, other, group([link(1, 0)]));
    leader.commit();
    leader.waits.confirmed(leader.rounds);
    expect([one.answer(), same.answer()]).toEqual([['seq 2'], ['seq 2']]);
    expect(other.answer()).toEqual(['IDEMPOTENCY_MISMATCH']);
    expect(leader.log.flatMap(({ commands }) => commands)).toHaveLength(2);
  });

  it('is of its own sender and device alone, whatever characters their names have', () => {
    const leader = new Leader();
    const own = (sender: string, device: string, clientSeq: number, prevClientSeq: number) => {
      const body = Buffer.from(sender);
      const chain = { conversation: 'g:a', sender, device, clientSeq, prevClientSeq };
      return command({ ...chain, body });
    };
    const waits = group([own('s', 'd\0', 3, 2)]);
    submit(leader, waits);
    const first = own('s\0d', '', 5, 0);
    const { link: other } = first.command;
    expect(other && leader.holds.inChain(other)).toEqual([]);
    const others = group([first]);
    submit(leader, others);
    leader.commit();
    expect([waits.answer(), others.answer()]).toEqual([['held 0'], ['seq 1']]);
    const same = group([own('s', 'd\0', 5, 0)]);
    submit(leader, same);
    leader.commit();
    leader.waits.confirmed(leader.rounds);
    expect([waits.answer(), same.answer()]).toEqual([['CHAIN_PASSED'], ['seq 2']]);
  });

  it('hears its full verdict in the end: a number that another one took is not stored twice', () => {
    const leader = new Leader();
    const held = group([link(3, 2, { key: 'a', body: 'same' })]);
    submit(leader, held);
    submit(leader, group([link(3, 0, { key: 'b', body: 'same' })]));
    leader.commit();
    expect(held.answer()).toEqual(['duplicate 1']);
  });

  it('ends NOT_LEADER with the term, told or not', () => {
    const leader = new Leader();
    const [told, both] = [group([link(3, 2)]), group([link(1, 0), link(5, 4)])];
    submit(leader, told, both);
    leader.lose();
    expect(told.answer()).toEqual(['NOT_LEADER']);
    expect(both.answer()).toEqual(['OUTCOME_UNKNOWN', 'NOT_LEADER']);
    expect(leader.holds.isEmpty).toBe(true);
  });

  it('is at most 64 commands a chain, each device its own; beyond that SENDER_GAP at once', () => {
    const leader = new Leader();
    const { chainCommands } = holdLimits;
    const many = Array.from({ length: chainCommands }, (_, i) => link(i + 2, i + 1));
    const full = group(many);
    submit(leader, full);
    expect(full.answer()?.every((word) => word === 'held 0')).toBe(true);
    const [over, elsewhere] = [group([link(100, 99)]), group([deviceLink('d', 3, 2)])];
    submit(leader, over, elsewhere);
    expect([over.answer(), elsewhere.answer()]).toEqual([['SENDER_GAP'], ['held 0']]);
    const first = group([link(1, 0)]);
    submit(leader, first);
    leader.commit();
    expect(full.answer()).toEqual(many.map((_, i) => `seq ${i + 2}`));
  });

  it('tells its end to at most 16 who sent it; beyond that SENDER_GAP at once', () => {
    const leader = new Leader();
    const same = () => group([link(2, 1, { key: 'k' })]);
    const all = Array.from({ length: holdLimits.tellings }, same);
    const over = same();
    submit(leader, ...all, over);
    expect(over.answer()).toEqual(['SENDER_GAP']);
    submit(leader, group([link(1, 0)]));
    leader.commit();
    expect(all.map((each) => each.answer())).toEqual(all.map(() => ['seq 2']));
    expect(over.answer()).toEqual(['SENDER_GAP']);
  });

  it('counts nobody among them whose stream has ended', () => {
    const leader = new Leader();
    const streams = Array.from({ length: holdLimits.tellings }, () => new SessionOrder());
    const same = (session: SessionOrder) => {
      return group([link(2, 1, { key: 'k' })], { session: session.nextGroup() });
    };
    const all = streams.map(same);
    submit(leader, ...all);
    for (const stream of streams.slice(1)) stream.isClosed = true;
    const again = streams.slice(1).map(() => same(new SessionOrder()));
    const over = same(new SessionOrder());
    submit(leader, ...again, over);
    expect(again.map((each) => each.answer())).toEqual(again.map(() => ['held 0']));
    expect(over.answer()).toEqual(['SENDER_GAP']);
    submit(leader, group([link(1, 0)]));
    leader.commit();
    expect([all[0], ...again].map((each) => each?.answer())).toEqual(all.map(() => ['seq 2']));
  });

  it('is at most 1 MiB a chain and 16 MiB a node', () => {
    const leader = new Leader();
    const body = 'x'.repeat(250 * 1024);
    const chain = group(Array.from({ length: 5 }, (_, i) => link(i + 2, i + 1, { body })));
    submit(leader, chain);
    expect(chain.answer()).toEqual(['held 0', 'held 0', 'held 0', 'held 0', 'SENDER_GAP']);
    const others = Array.from({ length: 16 }, (_, chat) => {
      return Array.from({ length: 4 }, (_, i) => {
        const [clientSeq, prevClientSeq] = [i + 2, i + 1];
        const more = { body: Buffer.from(body), clientSeq, prevClientSeq };
        return command({ conversation: `g:${chat}`, sender: 's', ...more });
      });
    });
    const all = group(others.flat());
    submit(leader, all);
    const held = all.answer()?.filter((word) => word === 'held 0').length ?? 0;
    expect((held + 4) * body.length).toBeLessThanOrEqual(holdLimits.nodeBytes);
    expect((held + 5) * body.length).toBeGreaterThan(holdLimits.nodeBytes - body.length);
    expect(all.answer()?.filter((word) => word === 'SENDER_GAP')).toHaveLength(64 - held);
  });

  it('counts for the node with what it costs besides its bytes, until it ends', () => {
    const leader = new Leader();
    submit(leader, group([link(2, 1)]), group([link(3, 2)]));
    const { overheadBytes } = holdLimits;
    expect(leader.holdBudget.bytes).toBeGreaterThan(2 * overheadBytes);
    expect(leader.holdBudget.bytes).toBeLessThan(2 * overheadBytes + 200);
    submit(leader, group([link(1, 0)]));
    expect(leader.holdBudget.bytes).toBe(0);
  });

  it('fills entries of about the target, however many waits end at once', () => {
    const leader = new Leader({ entryBytesTarget: 400 });
    const linkOf = (sender: string) =>
      command({ conversation: 'g:a', sender, clientSeq: 2, prevClientSeq: 1 });
    const groups = Array.from({ length: 100 }, (_, i) => group([linkOf(`s${i}`)]));
    submit(leader, ...groups);
    leader.tick(waitMs);
    leader.commit();
    expect(groups.filter((each) => each.answer()?.[0]?.startsWith('seq '))).toHaveLength(100);
    for (const { commandBytes } of leader.log) expect(commandBytes).toBeLessThan(400 + 100);
  });
});

describe('the end of a wait', () => {
  it('is a mark in the place of what is missing, exactly then, and what is late names it', () => {
    const leader = new Leader();
    const [one, three] = [group([link(1, 0)]), group([link(3, 2)])];
    submit(leader, one, three);
    leader.tick(waitMs - 1);
    leader.commit();
    expect(three.answer()).toEqual(['held 1']);
    leader.tick(1);
    leader.commit();
    expect(three.answer()).toEqual(['seq 2']);
    expect(leader.log.flatMap(({ columns }) => columns.revs)).toEqual([1, 2, 3]);
    const late = group([link(2, 1)]);
    submit(leader, late);
    leader.commit();
    expect(late.answer()).toEqual(['seq 3 late for 2']);
  });

  it('leaves a mark that names the device as its sender wrote it', () => {
    const leader = new Leader();
    submit(leader, group([deviceLink('téléphone', 3, 2)]));
    leader.tick(waitMs);
    const [marker = Buffer.alloc(0)] = leader.log.flatMap(({ commands }) => commands);
    const { device } = AppendCommand.decode(marker).gapMarker ?? {};
    expect(device).toBe('téléphone');
  });

  it('ends for what is held before it too, and not for what waits behind another gap', () => {
    const leader = new Leader();
    const [five, three] = [group([link(5, 4)]), group([link(3, 2)])];
    submit(leader, five);
    leader.tick(100);
    submit(leader, three);
    const nine = group([link(9, 8)]);
    submit(leader, nine);
    leader.tick(waitMs - 100);
    leader.commit();
    // Marks for 1 and 2, and for 4.
    expect([three.answer(), five.answer(), nine.answer()]).toEqual([
      ['seq 1'],
      ['seq 2'],
      ['held 0'],
    ]);
    leader.tick(100);
    leader.commit();
    expect(nine.answer()).toEqual(['seq 3']);
  });

  it('is SENDER_GAP for all of the chain where the policy says so', () => {
    const leader = new Leader();
    submit(
      leader,
      group([command({ conversation: 'g:a', sender: 's', setPolicy: { gapAction: 2 } })]),
    );
    const [three, nine] = [group([link(3, 2)]), group([link(9, 8)])];
    submit(leader, three);
    leader.tick(100);
    submit(leader, nine);
    leader.tick(waitMs - 100);
    leader.commit();
    while (leader.waits.confirmed(leader.rounds)) leader.rounds -= 1;
    expect([three.answer(), nine.answer()]).toEqual([['SENDER_GAP'], ['SENDER_GAP']]);
    expect(leader.log.flatMap(({ columns }) => columns.revs)).toEqual([1]);
  });

  it('is at once, without a hold, where the wait is 0; SKIP leaves no mark', () => {
    const leader = new Leader();
    const policy = { gapAction: 3, gapWaitMs: 0 };
    submit(leader, group([command({ conversation: 'g:a', sender: 's', setPolicy: policy })]));
    const [three, two] = [group([link(3, 2)]), group([link(2, 1)])];
    submit(leader, three, two);
    leader.commit();
    expect([three.answer(), two.answer()]).toEqual([['seq 1'], ['seq 2 late for 0']]);
  });

  it('does not come for atomic batches: they are never held', () => {
    const leader = new Leader();
    const batch = group([link(3, 2), link(4, 3)], { atomic: true });
    submit(leader, batch);
    leader.waits.confirmed(leader.rounds);
    expect(batch.answer()).toEqual(['SENDER_GAP', 'SENDER_GAP']);
    const held = group([link(5, 4)]);
    const whole = group([link(1, 0), link(4, 1)], { atomic: true });
    submit(leader, held, whole);
    leader.commit();
    expect([whole.answer(), held.answer()]).toEqual([['seq 1', 'seq 2'], ['seq 3']]);
  });
});
