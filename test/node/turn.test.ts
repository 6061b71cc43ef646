// What the turn promises between the core, the disk and the wire: nothing leaves, and nothing counts,
// before the batch it rests on is durable, and nothing at all after a failure of the disk.
import { describe, expect, test } from 'vitest';
import { checkCommand } from '../../src/api/check.ts';
import { AppendCommand } from '../../src/gen/proto.ts';
import { TurnLoop } from '../../src/node/turn.ts';
import type { PeerMessage } from '../../src/transport/types.ts';
import { entriesAfter, heartbeat, OneOfThree, partitions } from './one-of-three.ts';

function vote(from: number, term = 1): PeerMessage {
  const log = { lastIndex: 0, lastTerm: 0, campaign: 5, transfer: false };
  return { type: 'Vote', from, to: 1, term, ...log };
}

function submitTo(one: OneOfThree, partition: number, done = () => {}): void {
  for (let i = 0; ; i++) {
    const placed = checkCommand(
      one.node,
      AppendCommand.encode({ conversation: `g:${i}`, sender: 's' }),
    );
    if ('reason' in placed) throw new Error(placed.message);
    if (one.node.partitionOf(placed.shard) !== partition) continue;
    const bytes = placed.command.bytes.length;
    const alone = { atomic: false, restart: [], session: null, done, later() {} };
    one.node.submit({ partition, commands: [placed], bytes, ...alone });
    return;
  }
}

describe('a promise', () => {
  test('leaves only once the batch that it rests on is durable', async () => {
    const one = await new OneOfThree().start();
    one.receive(0, vote(2));
    await one.settle();
    expect(one.ofType('VoteReply')).toEqual([]);
    expect(one.writes).toHaveLength(1);
    const [write] = one.writes;
    expect(write?.batch.hardStates.get(0)).toMatchObject({ votedFor: 2 });
    write?.end();
    await one.settle();
    expect(one.ofType('VoteReply')).toMatchObject([{ to: 2, term: 1, granted: true }]);
  });

  test('made while a write is in flight waits for the next, which is one for all partitions', async () => {
    const one = await new OneOfThree().start();
    one.receive(0, vote(2));
    await one.settle();
    for (const partition of [1, 2, 3]) one.receive(partition, vote(3));
    await one.settle();
    expect(one.writes).toHaveLength(1);
    one.writes[0]?.end();
    await one.settle();
    expect(one.writes).toHaveLength(2);
    expect(one.sent.map(({ partition }) => partition)).toEqual([0]);
    one.writes[1]?.end();
    await one.settle();
    expect(one.sent.map(({ partition }) => partition)).toEqual([0, 1, 2, 3]);
  });
});

/** Both others have all of it. */
function acknowledge(one: OneOfThree): void {
  const { term, lastIndex: match } = one.node.replicaOf(0).raft;
  for (const from of [2, 3]) one.receive(0, { type: 'AppendOk', from, to: 1, term, match });
}

/** Leads partition 0, of which both others have all. */
async function leading(): Promise<OneOfThree> {
  const one = await new OneOfThree().start();
  await one.lead(0);
  acknowledge(one);
  await one.flush();
  return one;
}

describe('a commit', () => {
  test('is answered before followers are told of it', async () => {
    const one = await leading();
    one.sent = [];
    let toldWhenAnswered = -1;
    // A session writes its answers in a microtask, when the turn is over.
    const done = () => {
      queueMicrotask(() => {
        toldWhenAnswered = one.ofType('Commit').length;
      });
    };
    submitTo(one, 0, done);
    await one.flush();
    acknowledge(one);
    await one.settle();
    expect(toldWhenAnswered).toBe(0);
    expect(one.ofType('Commit')).toMatchObject([{ to: 2 }, { to: 3 }]);
  });
});

describe('a turn', () => {
  test('is asked for only by what leaves something to do', async () => {
    const one = await leading();
    const { term, lastIndex } = one.node.replicaOf(0).raft;
    const ok = (from: number): PeerMessage => {
      return { type: 'AppendOk', from, to: 1, term, match: lastIndex + 1 };
    };
    submitTo(one, 0);
    await one.settle();
    one.asked = 0;
    // One of three has it; then the own disk, which commits it; the third changes nothing.
    one.receive(0, ok(2));
    expect(one.asked).toBe(0);
    await one.flush();
    expect(one.node.replicaOf(0).raft.applied).toBe(lastIndex + 1);
    one.asked = 0;
    one.receive(0, ok(3));
    expect(one.asked).toBe(0);
    submitTo(one, 0);
    await one.settle();
    one.asked = 0;
    // The own disk alone commits nothing.
    one.writes.at(-1)?.end();
    await one.settle();
    expect(one.asked).toBe(0);
  });
});

describe('without anything that comes in', () => {
  test('a commit that waits for the write in flight leaves with the next tick', async () => {
    const one = await leading();
    submitTo(one, 0);
    await one.settle();
    one.sent = [];
    acknowledge(one);
    await one.settle();
    expect(one.ofType('Commit')).toEqual([]);
    one.stall(25);
    await one.settle();
    expect(one.ofType('Commit')).toMatchObject([{ to: 2 }, { to: 3 }]);
    expect(one.ofType('Heartbeat')).toEqual([]);
  });

  test('a commit that was held back for long enough leaves with any frame', async () => {
    const one = await leading();
    submitTo(one, 0);
    await one.settle();
    one.sent = [];
    acknowledge(one);
    await one.settle();
    expect(one.ofType('Commit')).toEqual([]);
    one.nowMs += 3;
    acknowledge(one);
    await one.settle();
    expect(one.ofType('Commit')).toMatchObject([{ to: 2 }, { to: 3 }]);
  });

  test('leadership that the node gives back is on its way at once', async () => {
    const one = await leading();
    one.sent = [];
    one.node
      .replicaOf(0)
      .transferLeadership(2)
      .catch(() => {});
    await one.settle();
    expect(one.ofType('TimeoutNow')).toMatchObject([{ to: 2 }]);
  });
});

describe('entries that another leader replaces', () => {
  test('are removed in the batch that writes the others, to the last of them', async () => {
    const one = await new OneOfThree().start();
    const old = entriesAfter(undefined, [1, 1, 1, 1]);
    const start = { type: 'Append', to: 1, commit: 0 } as const;
    one.receive(0, { ...start, from: 2, term: 1, prevIndex: 0, prevTerm: 0, entries: old });
    await one.flush();
    const others = entriesAfter(old[0], [2]);
    one.receive(0, { ...start, from: 3, term: 2, prevIndex: 1, prevTerm: 1, entries: others });
    await one.flush();
    expect(one.writes.map(({ batch }) => [batch.removed, batch.entries])).toEqual([
      [[], [1, 2, 3, 4]],
      [[[2, 4]], [2]],
    ]);
  });
});

describe('a disk that fails', () => {
  test('at a write ends the node: nothing leaves any more, and no write is tried again', async () => {
    const one = await new OneOfThree().start();
    one.receive(0, vote(2));
    one.receive(1, vote(2));
    await one.settle();
    one.receive(2, vote(2));
    await one.settle();
    one.writes[0]?.end(new Error('writing the store failed: IO error'));
    await one.settle();
    expect(one.fatal).toEqual(['writing the store failed: IO error']);
    one.receive(3, heartbeat(2));
    one.stall(1000);
    await one.settle();
    expect([one.sent, one.writes.length]).toEqual([[], 1]);
  });

  test('at a read of the log ends the node: no entry is taken for absent', async () => {
    const one = await new OneOfThree().start();
    const { store, transport, clock } = one;
    const turns = new TurnLoop({
      ...{ self: 1, nodes: [2, 3], store, transport, clock, limits: one.node.config.limits },
      trusted: () => true,
      onFatal: (error) => one.fatal.push(error.message),
    });
    const [replica] = one.node.replicas;
    if (replica === undefined) throw new Error('the node serves');
    turns.load(replica, { to: 2, fromIndex: 1, toIndex: 2, bytesMax: 100 });
    await one.settle();
    expect(one.fatal).toEqual(['reading the store failed']);
  });
});

test('a node that stops is not ended by what its store refuses then', async () => {
  const one = await new OneOfThree().start();
  let refuse = (_: Error) => {};
  one.scan = () =>
    new Promise((_, reject) => {
      refuse = reject;
    });
  await one.lead(0);
  one.stall(25);
  await one.settle();
  await one.node.stop();
  refuse(new Error('the store is closed'));
  await one.settle();
  expect(one.fatal).toEqual([]);
});

describe('a peer', () => {
  test('with another store than the founded one is not heard, and gets nothing', async () => {
    const one = await new OneOfThree().start((id) => Buffer.alloc(16, id === 3 ? 33 : id));
    one.receive(0, vote(3));
    one.receive(1, vote(2));
    await one.settle();
    one.writes[0]?.end();
    await one.settle();
    expect(one.sent.map(({ partition, message }) => [partition, message.to])).toEqual([[1, 2]]);
    expect(one.node.replicas.map(({ raft }) => raft.term)).toEqual([0, 1, 0, 0]);
  });

  test('cannot speak for another', async () => {
    const one = await new OneOfThree().start();
    one.node.onBatch(3, 'control', { wallMs: 0, partitions: [0], messages: [vote(2)] });
    await one.settle();
    expect(one.node.replicas[0]?.raft.term).toBe(0);
  });
});

describe('time', () => {
  test('a stall that hid a leader’s heartbeats ends no leadership: what came is taken in first', async () => {
    const one = await new OneOfThree().start();
    one.stall(25);
    for (let partition = 0; partition < partitions; partition += 1) {
      one.receive(partition, heartbeat(2));
    }
    await one.settle();
    one.sent = [];
    one.stall(5000);
    // The sockets are read after the timers.
    for (let partition = 0; partition < partitions; partition += 1) {
      one.receive(partition, heartbeat(2));
    }
    await one.settle();
    expect(one.ofType('PreVote')).toEqual([]);
    expect(one.node.replicas.map(({ raft }) => raft.leader)).toEqual([2, 2, 2, 2]);
  });

  test('a long stall leaves one tick to do, not one for each that was missed', async () => {
    const one = await new OneOfThree().start();
    one.stall(60_000);
    await one.settle();
    expect(one.timers).toHaveLength(1);
    const asked = one.ofType('PreVote').map(({ to }) => to);
    expect(asked).toHaveLength(2 * partitions);
  });
});

describe('a node asleep', () => {
  const beat = { wallMs: Date.UTC(2026, 0, 1), partitions: [], messages: [] };

  test('says that it lives four times a second, or with a frame that wakes it shortly before', async () => {
    const one = await new OneOfThree().start();
    one.stall(25);
    const quiesce = { type: 'Quiesce', from: 2, to: 1, term: 1, index: 0, lastTerm: 0 } as const;
    for (let partition = 0; partition < partitions; partition += 1) {
      one.receive(partition, heartbeat(2), quiesce);
    }
    await one.flush();
    const framesAfter = async (ms: number, frame?: typeof beat) => {
      const before = one.frames;
      one.stall(ms);
      if (frame !== undefined) one.node.onBatch(2, 'control', frame);
      await one.settle();
      return one.frames - before;
    };
    expect(one.node.replicas.every(({ asleep }) => asleep)).toBe(true);
    expect(await framesAfter(190, beat)).toBe(0);
    expect(await framesAfter(20, beat)).toBe(2);
    expect(await framesAfter(249, beat)).toBe(2);
    expect(await framesAfter(249)).toBe(0);
    expect(await framesAfter(1)).toBe(2);
    expect(one.timers).toHaveLength(1);
  });
});
