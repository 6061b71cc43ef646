// Negative controls of the checkers that look at replicas, disks and messages after every step: each wrong
// state is shown to them by hand, and has to be reported by its rule.
import { describe, expect, test } from 'vitest';
import { CheckpointChecker } from '../../src/lab/check-checkpoints.ts';
import { PromiseChecker } from '../../src/lab/check-promises.ts';
import { RaftChecker } from '../../src/lab/check-raft.ts';
import { World } from '../../src/lab/world.ts';
import { checkpointKey, firstGeneration, rowKey } from '../../src/storage/keys.ts';
import type { PeerMessage } from '../../src/transport/types.ts';
import { FakeNode } from './fake-nodes.ts';

class Lab {
  readonly world = new World(1, false);
  readonly one = new FakeNode(1);
  readonly two = new FakeNode(2);
  readonly three = new FakeNode(3);
  readonly nodes = [this.one, this.two, this.three];
  private readonly promises = new PromiseChecker(this.world);
  private readonly raft = new RaftChecker(this.world, this.nodes, this.promises);
  private readonly checkpoints = new CheckpointChecker(this.world);

  look(): void {
    for (const node of this.nodes) {
      this.raft.look(node);
      this.checkpoints.look(node);
    }
  }

  send(from: FakeNode, message: PeerMessage): void {
    this.promises.look(from, { wallMs: 0, partitions: [0], messages: [message] });
  }

  appendOnAll(term: number, text: string): void {
    for (const node of this.nodes) node.append(term, text);
  }
}

/** The rule that is broken once all this has happened; looked at after each step. */
function ruleBrokenBy(...steps: ((lab: Lab) => void)[]): string | undefined {
  const lab = new Lab();
  lab.look();
  for (const step of steps) {
    step(lab);
    lab.look();
  }
  return lab.world.broken?.rule;
}

const lead = ({ one }: Lab) => {
  one.raft.role = 'leader';
};
const appendA = (lab: Lab) => lab.appendOnAll(1, 'a');
const set = ({ raft }: FakeNode, to: Partial<FakeNode['raft']>) => {
  Object.assign(raft, to);
};
const commit = (node: FakeNode, index: number) => set(node, { commit: index });

test('a sound history breaks no rule', () => {
  const rule = ruleBrokenBy(
    lead,
    appendA,
    ({ nodes }) => {
      for (const node of nodes) commit(node, 1);
    },
    ({ nodes }) => {
      for (const { raft } of nodes) raft.applied = 1;
    },
    ({ two }) => two.restart(),
    ({ one, two }) => {
      one.raft.role = 'follower';
      two.raft.term = 2;
      two.raft.role = 'leader';
      two.append(2, 'b');
    },
  );
  expect(rule).toBeUndefined();
});

describe('the raft checker reports', () => {
  test.each<[string, ((lab: Lab) => void)[]]>([
    [
      'a term never falls',
      [({ one }) => set(one, { term: 2 }), ({ one }) => set(one, { term: 1 })],
    ],
    [
      'a commit index never falls',
      [appendA, ({ one }) => commit(one, 1), ({ one }) => commit(one, 0)],
    ],
    [
      'applied never falls',
      [
        appendA,
        ({ one }) => set(one, { commit: 1, applied: 1 }),
        ({ one }) => set(one, { applied: 0 }),
      ],
    ],
    ['only what is committed is applied', [appendA, ({ one }) => set(one, { applied: 1 })]],
    [
      'the log reaches the commit index',
      [
        ({ one }) => {
          one.restart();
          one.raft.commit = 5;
        },
      ],
    ],
    [
      'what was applied is in the log after a restart',
      [
        appendA,
        ({ one }) => set(one, { commit: 1, applied: 1 }),
        ({ one }) => {
          one.restart();
          one.raft.log.pop();
          Object.assign(one.raft, { commit: 0, applied: 0 });
        },
      ],
    ],
    [
      'what is applied is on the own disk',
      [
        ({ one, two, three }) => {
          one.append(1, 'a', { durable: false });
          two.append(1, 'a');
          three.append(1, 'a');
        },
        ({ one }) => set(one, { commit: 1, applied: 1 }),
      ],
    ],
    [
      'a leader commits by entries of its own term',
      [appendA, ({ one }) => set(one, { role: 'leader', term: 2 }), ({ one }) => commit(one, 1)],
    ],
    [
      'log matching',
      [({ one }) => one.append(1, 'a'), ({ two }) => two.append(1, 'another of that term')],
    ],
    [
      'state machine safety',
      [
        appendA,
        ({ one }) => commit(one, 1),
        ({ two }) => {
          two.raft.log.pop();
          two.raft.term = 2;
          two.append(2, 'b');
          two.raft.commit = 1;
        },
      ],
    ],
    [
      'what is committed is durable on a majority',
      [({ one }) => one.append(1, 'a'), ({ one }) => commit(one, 1)],
    ],
    ['one leader a term', [lead, ({ two }) => set(two, { role: 'leader' })]],
    [
      'a leader has all that is committed',
      [
        ({ one, two }) => {
          one.append(1, 'a');
          two.append(1, 'a');
        },
        ({ one }) => commit(one, 1),
        ({ three }) => set(three, { role: 'leader', term: 2 }),
      ],
    ],
  ])('%s', (rule, steps) => {
    expect(ruleBrokenBy(...steps)).toBe(rule);
  });
});

const onDisk = 'what a message promises is on the disk';
const kept = 'what was promised is kept';
const ack = { type: 'AppendOk', from: 1, to: 2, term: 1, match: 1 } as const;
const grant = { type: 'VoteReply', from: 1, to: 2, term: 1, granted: true, campaign: 7 } as const;
const place = { lastIndex: 1, lastTerm: 1 };
const request = {
  type: 'Vote' as const,
  ...{ from: 1, to: 2, term: 1, campaign: 7, transfer: false, ...place },
};

test('messages that rest on the disk break no rule', () => {
  const rule = ruleBrokenBy(
    appendA,
    ({ one }) => one.promise(1, 2),
    (lab) => lab.send(lab.one, ack),
    (lab) => lab.send(lab.one, grant),
    ({ two }) => two.promise(1, 2),
    (lab) => lab.send(lab.two, { ...request, from: 2, to: 1 }),
  );
  expect(rule).toBeUndefined();
});

describe('the checker of promises reports', () => {
  test.each<[string, string, ((lab: Lab) => void)[]]>([
    [
      'an acknowledgement of what is not there',
      onDisk,
      [({ one }) => one.promise(1, 0), (lab) => lab.send(lab.one, ack)],
    ],
    ['one in a term that is not written', onDisk, [appendA, (lab) => lab.send(lab.one, ack)]],
    ['a grant that is not written', onDisk, [(lab) => lab.send(lab.one, grant)]],
    [
      'a request whose own vote is not written',
      onDisk,
      [appendA, (lab) => lab.send(lab.one, request)],
    ],
    [
      'a request with entries that are not written',
      onDisk,
      [
        ({ one }) => set(one, { role: 'candidate' }),
        ({ one }) => one.promise(1, 1),
        (lab) => lab.send(lab.one, request),
      ],
    ],
    [
      'two votes in one term',
      kept,
      [
        ({ one }) => one.promise(1, 2),
        (lab) => lab.send(lab.one, grant),
        ({ one }) => one.promise(1, 3),
        (lab) => lab.send(lab.one, { ...grant, to: 3 }),
      ],
    ],
    [
      'a start in a term before that of a promise',
      kept,
      [
        ({ one }) => one.promise(4, 2),
        (lab) => lab.send(lab.one, { ...grant, term: 4 }),
        ({ one }) => one.restart(),
      ],
    ],
  ])('%s', (_, rule, steps) => {
    expect(ruleBrokenBy(...steps)).toBe(rule);
  });
});

describe('the checker of checkpoints', () => {
  const rows = { partition: 0, generation: firstGeneration };
  const checkpoint = (node: FakeNode, row: string) => {
    const put = (key: Buffer, text: string) =>
      node.disk.rows.put(key.toString('latin1'), Buffer.from(text));
    put(checkpointKey(rows), 'at 5');
    put(rowKey(rows, Buffer.from('head')), row);
    node.checkpointIndex = 5;
  };

  test('takes equal rows', () => {
    expect(
      ruleBrokenBy(({ nodes }) => {
        for (const node of nodes) checkpoint(node, 'x');
      }),
    ).toBeUndefined();
  });

  test('reports other rows at the same checkpoint', () => {
    const rule = ruleBrokenBy(
      ({ one }) => checkpoint(one, 'x'),
      ({ two }) => checkpoint(two, 'y'),
    );
    expect(rule).toBe('equal rows at equal checkpoints');
  });
});
