// Negative controls of the checkers that look at replicas, disks and messages after every step: each wrong
// state is shown to them by hand, and has to be reported by its rule.
import { describe, expect, test } from 'vitest';
import { Checkers } from '../../src/lab/checkers.ts';
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
  private readonly checkers = new Checkers(this.world, this.nodes);

  look(): void {
    for (const node of this.nodes) this.checkers.look(node);
  }

  send(from: FakeNode, message: PeerMessage): void {
    this.checkers.sent(from, { wallMs: 0, partitions: [0], messages: [message] });
  }

  /** In one batch. */
  receive(to: FakeNode, ...messages: PeerMessage[]): void {
    this.checkers.received(to, { wallMs: 0, partitions: messages.map(() => 0), messages });
  }

  findDead(node: FakeNode, peer: FakeNode): void {
    this.checkers.down(node, peer.id);
  }

  /** By all. */
  elect(node: FakeNode, term: number): void {
    for (const voter of this.nodes) {
      voter.promise(term, node.id);
      if (voter === node) continue;
      const grant = { type: 'VoteReply', term, granted: true, campaign: 7 } as const;
      this.send(voter, { ...grant, from: voter.id, to: node.id });
    }
    Object.assign(node.raft, { role: 'leader', term });
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

const lead = (lab: Lab) => lab.elect(lab.one, 1);
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
    (lab) => {
      lab.one.raft.role = 'follower';
      lab.elect(lab.two, 2);
      lab.two.append(2, 'b');
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
          one.raft.durable = 0;
          two.append(1, 'a');
          three.append(1, 'a');
        },
        ({ one }) => set(one, { commit: 1, applied: 1 }),
      ],
    ],
    [
      'what a replica takes for durable is on its disk',
      [({ one }) => one.append(1, 'a', { durable: false })],
    ],
    [
      'a leader commits by entries of its own term',
      [appendA, (lab) => lab.elect(lab.one, 2), ({ one }) => commit(one, 1)],
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
    (lab) => lab.send(lab.two, { ...request, from: 2, to: 1, transfer: true }),
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

const asked = { type: 'PreVote', from: 1, to: 2, term: 1, campaign: 6, ...place } as const;
const leave = {
  type: 'PreVoteReply' as const,
  ...{ from: 2, to: 1, term: 1, granted: true, campaign: 6 },
};
const heartbeat = { type: 'Heartbeat', from: 3, to: 2, term: 1, commit: 0, round: 1 } as const;
const ask = (lab: Lab) => lab.receive(lab.two, asked);
const giveLeave = (lab: Lab) => lab.send(lab.two, leave);
const campaign = (lab: Lab) => {
  lab.one.promise(1, 1);
  lab.send(lab.one, { ...request, lastIndex: 0 });
};

test('a campaign that a majority gave leave to breaks no rule', () => {
  expect(ruleBrokenBy(ask, giveLeave, campaign)).toBeUndefined();
});

test('nor does one that a leader has asked for', () => {
  const rule = ruleBrokenBy((lab) => {
    lab.one.promise(1, 1);
    lab.send(lab.one, { ...request, lastIndex: 0, transfer: true });
  });
  expect(rule).toBeUndefined();
});

const newerTerm = {
  type: 'AppendReject' as const,
  ...{ from: 1, to: 2, term: 2, prevIndex: 1, hintIndex: 0, hintTerm: 0 },
};

test('a leader that a newer term has come to in the same batch before gives leave', () => {
  const rule = ruleBrokenBy(
    (lab) => lab.elect(lab.two, 1),
    (lab) => lab.receive(lab.two, newerTerm, asked),
    giveLeave,
  );
  expect(rule).toBeUndefined();
});

describe('the checker of votes reports', () => {
  test.each<[string, string, ((lab: Lab) => void)[]]>([
    [
      'a campaign that nobody gave leave to',
      'nobody campaigns without the leave of a majority',
      [campaign],
    ],
    [
      'one that leave was given to for an earlier campaign',
      'nobody campaigns without the leave of a majority',
      [
        (lab) => lab.receive(lab.two, { ...asked, campaign: 5 }),
        (lab) => lab.send(lab.two, { ...leave, campaign: 5 }),
        campaign,
      ],
    ],
    [
      'leave that is given while a leader is heard',
      'who hears a leader gives no leave to campaign',
      [
        (lab) => lab.receive(lab.two, heartbeat),
        ({ two }) => set(two, { leader: 3 }),
        ask,
        giveLeave,
      ],
    ],
    [
      'leave that a leader gives',
      'who hears a leader gives no leave to campaign',
      [(lab) => lab.elect(lab.two, 1), ask, giveLeave],
    ],
    [
      'leave that a leader gives before a newer term comes to it in the same batch',
      'who hears a leader gives no leave to campaign',
      [(lab) => lab.elect(lab.two, 1), (lab) => lab.receive(lab.two, asked, newerTerm), giveLeave],
    ],
    [
      'a leader without the votes of a majority',
      'a leader has the votes of a majority',
      [({ one }) => one.promise(1, 1), ({ one }) => set(one, { role: 'leader' })],
    ],
    [
      'a leader that counts its own vote before it is on its disk',
      'a leader has the votes of a majority',
      [
        ({ two }) => two.promise(1, 1),
        (lab) => lab.send(lab.two, { ...grant, from: 2, to: 1 }),
        ({ one }) => set(one, { role: 'leader' }),
      ],
    ],
  ])('%s', (_, rule, steps) => {
    expect(ruleBrokenBy(...steps)).toBe(rule);
  });
});

const view = { match: 0, next: 2, probing: false, round: 0, heardMs: 0 };
const follow = ({ one }: Lab, to: Partial<typeof view>) => {
  one.raft.followers.set(2, { ...view, ...to });
};
const ackOfTwo = (lab: Lab) => {
  lab.two.promise(1, 1);
  lab.send(lab.two, { ...ack, from: 2, to: 1 });
};
const answerOfTwo = { type: 'HeartbeatOk', from: 2, to: 1, term: 1, round: 1 } as const;
const refusal = { type: 'AppendReject', from: 2, to: 1, term: 1, prevIndex: 1 } as const;
const hint = { hintIndex: 0, hintTerm: 0 };

test('a leader that counts what it was told, and goes back for a refusal, breaks no rule', () => {
  const rule = ruleBrokenBy(
    appendA,
    lead,
    (lab) => {
      lab.receive(lab.one, { ...refusal, ...hint });
      follow(lab, { probing: true, next: 1 });
    },
    ackOfTwo,
    (lab) => follow(lab, { match: 1 }),
    (lab) => lab.send(lab.two, answerOfTwo),
    (lab) => follow(lab, { match: 1, round: 1 }),
    (lab) => {
      lab.findDead(lab.one, lab.two);
      follow(lab, { match: 1, round: 1, probing: true });
    },
  );
  expect(rule).toBeUndefined();
});

describe('the checker of leaders reports', () => {
  const counts = 'a leader counts only what it was told in its term';
  const back = 'a leader goes back only for a refusal of its term, or for a dead process';
  test.each<[string, string, ((lab: Lab) => void)[]]>([
    [
      'an entry that was acknowledged in an earlier term',
      counts,
      [appendA, ackOfTwo, (lab) => lab.elect(lab.one, 2), (lab) => follow(lab, { match: 1 })],
    ],
    ['a round that was not answered', counts, [lead, (lab) => follow(lab, { round: 1 })]],
    [
      'an entry that is not on the disk of the follower',
      'what a leader counts is on the disk of the follower',
      [appendA, lead, ackOfTwo, ({ two }) => two.forget(1), (lab) => follow(lab, { match: 1 })],
    ],
    [
      'probing after a refusal of what was acknowledged since',
      back,
      [
        appendA,
        lead,
        ackOfTwo,
        (lab) => follow(lab, { match: 1 }),
        (lab) => {
          lab.receive(lab.one, { ...refusal, ...hint });
          follow(lab, { match: 1, probing: true });
        },
      ],
    ],
    [
      'going back for a refusal of an earlier term',
      back,
      [
        (lab) => lab.elect(lab.one, 2),
        (lab) => follow(lab, {}),
        (lab) => {
          lab.receive(lab.one, { ...refusal, ...hint });
          follow(lab, { probing: true });
        },
      ],
    ],
    [
      'an acknowledgement taken back',
      'a leader keeps what was acknowledged to it',
      [
        appendA,
        lead,
        ackOfTwo,
        (lab) => follow(lab, { match: 1 }),
        (lab) => follow(lab, { match: 0, next: 1 }),
      ],
    ],
    [
      'a lease while another leads a later term',
      'nobody else leads while a lease holds',
      [lead, ({ one }) => set(one, { leaseUntilMs: 100 }), (lab) => lab.elect(lab.two, 2)],
    ],
    [
      'a lease that begins then',
      'nobody else leads while a lease holds',
      [lead, (lab) => lab.elect(lab.two, 2), ({ one }) => set(one, { leaseUntilMs: 100 })],
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
