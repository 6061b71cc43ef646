// Negative controls of what is judged at the end of a run, and of the rules of the lab's own machinery.
import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../src/assert.ts';
import type { Message } from '../../src/client/message.ts';
import type { StoredEvent } from '../../src/client/subscription-events.ts';
import { PacelineError } from '../../src/errors.ts';
import { answerFault, refusalFault } from '../../src/lab/check-answer.ts';
import { judgeFinals } from '../../src/lab/finals.ts';
import { Follower } from '../../src/lab/followers.ts';
import {
  type Evidence,
  judgeEvidence,
  judgeFollowers,
  judgeLiveness,
  readToEnd,
} from '../../src/lab/judge.ts';
import { LabCluster } from '../../src/lab/lab-cluster.ts';
import { wallStartMs } from '../../src/lab/machine.ts';
import { plainShape } from '../../src/lab/shape.ts';
import { World } from '../../src/lab/world.ts';

const room = 'g:room';

function message(seq: number, of: Partial<Message> = {}): Message {
  return {
    ...{ conversation: room, seq, rev: seq, id: BigInt(seq), timeMs: seq, sender: 'ann' },
    ...{ state: 'normal', late: false, lateFor: 0, key: `k${seq}`, body: Buffer.from(`v${seq}`) },
    ...{ contentType: '', headers: [], device: 'phone', epoch: 1 },
    ...{ clientSeq: seq, prevClientSeq: seq - 1, clientTimeMs: 0, index: seq, slot: 0 },
    ...of,
  };
}

const three = [message(1), message(2), message(3)];

function eventsOf(messages: readonly Message[]): StoredEvent[] {
  return messages.map((each) => ({ kind: 'message', message: each }));
}

function gap(after: number, before: number): StoredEvent {
  const place = { conversation: room, rev: 1, timeMs: 1, index: 1, slot: 0, sender: 'ann' };
  return { ...place, kind: 'gap', device: 'phone', epoch: 1, after, before };
}

const sound: Evidence = {
  finals: new Map([[room, three]]),
  events: new Map([[room, eventsOf(three)]]),
  ...{ history: [], replicas: 0, calls: [], lost: [] },
};

function ruleOf(evidence: Partial<Evidence>): string | undefined {
  const world = new World(1, false);
  judgeEvidence(world, { ...sound, ...evidence });
  return world.broken?.rule;
}

describe('the end of a run', () => {
  test('breaks no rule where all is well', () => {
    expect(ruleOf({})).toBeUndefined();
  });

  test('reports a history that is wrong', () => {
    const read = { process: 1, op: 'read', conversation: room, level: 'eventual' } as const;
    const final = { ...read, node: 1, t_ns: 0, after: 0, limit: 9, final: true } as const;
    const history = [
      { ...final, type: 'invoke' },
      { ...final, type: 'ok', messages: [[1, 'nobody appended this']] },
    ] as const;
    expect(ruleOf({ history, replicas: 1 })).toBe('histories');
  });

  test('reports what an outbox took and nobody stored', () => {
    expect(ruleOf({ lost: ['v9'] })).toBe('an outbox loses nothing');
  });

  const order = 'messages of a sender stand in its order';
  test.each<[string, StoredEvent[]]>([
    ['a message before the one it follows', eventsOf([message(2), message(1)])],
    ['one behind others without a gap', eventsOf([message(1), message(3)])],
    ['a late one that was not missing', eventsOf([message(1), message(1, { late: true })])],
    ['a gap where nothing is missing', [...eventsOf(three), gap(0, 3)]],
  ])('reports %s', (_, events) => {
    expect(ruleOf({ events: new Map([[room, events]]) })).toBe(order);
  });

  test('takes a gap that is told of, and what comes late into it', () => {
    const [one, two, last] = eventsOf([message(1), message(2, { late: true }), message(3)]);
    const events = [one, gap(1, 3), last, two].flatMap((event) => event ?? []);
    expect(ruleOf({ events: new Map([[room, events]]) })).toBeUndefined();
  });

  test('reports appends of a client that stand in another order than its calls', () => {
    const calls = [
      { place: 'ann in g:room', order: 1, seq: 2 },
      { place: 'ann in g:room', order: 2, seq: 1 },
    ];
    expect(ruleOf({ calls })).toBe('appends stand in the order of the calls');
  });

  test('reports an id that another conversation of the shard has', () => {
    const thread = message(1, { conversation: 'h:g%3Aroom~1', id: 2n, index: 4 });
    const finals = new Map([...sound.finals, ['h:g%3Aroom~1', [thread]]]);
    expect(ruleOf({ finals })).toBe('ids rise in each shard');
  });

  test('reports operations that do not end', () => {
    const world = new World(1, false);
    judgeLiveness({ world, hasConverged: true, nodes: [] }, false);
    expect(world.broken?.rule).toBe('everything comes to its end once the faults have');
  });

  test.each([
    ['fail', () => Promise.reject(new Error('no'))],
    ['do not end', () => new Promise(() => {})],
  ])('reports reads that %s', async (_, reading) => {
    const world = new World(1, false);
    await readToEnd(world, reading());
    expect(world.broken?.rule).toBe('everything can be read at the end');
  });
});

describe('followers', () => {
  async function ruleFor(pairs: readonly (readonly [number, string])[]) {
    const world = new World(1, false);
    const follower = new Follower(world, 'bob', room);
    for (const pair of pairs) follower.take(pair);
    if (world.broken === null) await judgeFollowers(world, [follower], sound.finals);
    return world.broken?.rule;
  }
  const all = three.map(({ seq }) => [seq, `v${seq}`] as const);

  test('that saw everything break no rule', async () => {
    expect(await ruleFor(all)).toBeUndefined();
  });

  test.each<[string, string, (readonly [number, string])[]]>([
    [
      'skip',
      'a follower sees every message once, in order',
      [
        [1, 'v1'],
        [3, 'v3'],
      ],
    ],
    [
      'repeat',
      'a follower sees every message once, in order',
      [
        [1, 'v1'],
        [1, 'v1'],
      ],
    ],
    ['lack the end', 'a follower gets everything', [[1, 'v1']]],
    [
      'see something else',
      'a follower sees what is stored',
      [
        [1, 'v1'],
        [2, 'x'],
        [3, 'v3'],
      ],
    ],
  ])('that %s are reported', async (_, rule, pairs) => {
    expect(await ruleFor(pairs)).toBe(rule);
  });
});

test('a follower whose stream ends for good is reported', async () => {
  const world = new World(1, false);
  const client = {
    messages: () => {
      throw new PacelineError({ reason: 'CORRUPT', message: 'damaged' });
    },
  };
  await new Follower(world, 'bob', room).follow({ client }, 4);
  expect(world.broken?.rule).toBe('a follower goes on');
});

describe('an answer', () => {
  const expected = 'an append is stored only where its expected seq is the head';
  const time = 'log time follows the clocks of a majority';
  const answer = { seq: 5, duplicate: false, timeMs: wallStartMs };
  test.each<[string, number, typeof answer, string | undefined]>([
    ['where it was expected', 4, answer, undefined],
    ['elsewhere', 3, answer, expected],
    ['elsewhere, as a duplicate', 3, { ...answer, duplicate: true }, undefined],
    ['an hour ahead', 4, { ...answer, timeMs: wallStartMs + 3_600_000 }, time],
  ])('%s', (_, expectedSeq, appended, rule) => {
    expect(answerFault({ expectedSeq, key: 'k' }, appended, 0)?.rule).toBe(rule);
  });
});

test('an answer that is a fault of the node is reported, a refusal is not', () => {
  const of = (reason: 'INTERNAL' | 'NO_LEADER') =>
    refusalFault(new PacelineError({ reason, message: 'no' }))?.rule;
  expect(of('NO_LEADER')).toBeUndefined();
  expect(of('INTERNAL')).toBe('no answer is a fault of the node');
});

describe('the last reads report', () => {
  async function ruleOfReads(...byNode: Message[][]): Promise<string | undefined> {
    const world = new World(1, false);
    const read = async ({ server = '' }) => {
      const messages = byNode[Number(server.replace(/\D+(\d+):.*/, '$1')) - 1] ?? [];
      const head = { headSeq: messages.length, headRev: messages.length, minSeq: 1 };
      return { messages, ...head, servedBy: 1, appliedIndex: 9, lagMs: 0 };
    };
    const healthy = byNode.map((_, i) => ({ id: i + 1 }));
    await judgeFinals({ world, healthy, addClient: () => ({ client: { read } }) }, [room]);
    return world.broken?.rule;
  }
  const numbers = 'numbers of a conversation';

  test('nothing where nodes hold the same', async () => {
    expect(await ruleOfReads(three, three)).toBeUndefined();
  });

  test('nodes that differ', async () => {
    const other = [message(1), message(2, { body: Buffer.from('x') }), message(3)];
    expect(await ruleOfReads(three, other)).toBe('all nodes hold the same');
  });

  test.each<[string, Partial<Message>]>([
    ['a hole in seq', { seq: 4 }],
    ['a rev below seq', { rev: 1 }],
    ['an id given again', { id: 2n }],
    ['time that falls', { timeMs: 1 }],
    ['a place in the log before the one before', { index: 1 }],
  ])('%s', async (_, wrong) => {
    const messages = [message(1), message(2), message(3, wrong)];
    expect(await ruleOfReads(messages)).toBe(numbers);
  });
});

describe('the machinery reports', () => {
  async function ruleInCluster(harm: (cluster: LabCluster) => void): Promise<string | undefined> {
    const world = new World(1, false);
    const cluster = new LabCluster(world, plainShape({ nodes: 3, partitions: 1, lease: false }));
    harm(cluster);
    cluster.start();
    await world.run(2000);
    return world.broken?.rule;
  }

  test('nothing of a cluster that starts', async () => {
    expect(await ruleInCluster(() => {})).toBeUndefined();
  });

  test('an assertion of a node that fails', async () => {
    const rule = await ruleInCluster(({ nodes: [first] }) => {
      if (first === undefined) return;
      first.disk.open = () => {
        throw new InvariantError('never');
      };
    });
    expect(rule).toBe('no assertion fails');
  });

  test('a store that opens although a batch is lost', async () => {
    const rule = await ruleInCluster(({ nodes: [first] }) => {
      if (first !== undefined) first.disk.lostBatch = true;
    });
    expect(rule).toBe('a store that has lost a batch does not open');
  });

  test('what throws', async () => {
    const world = new World(1, false);
    world.after(1, null, () => {
      throw new Error('oh');
    });
    await world.run(10);
    expect(world.broken?.rule).toBe('nothing throws');
  });

  test('a moment that does not end', async () => {
    const world = new World(1, false);
    const again = () => void world.after(0, null, again);
    again();
    await world.run(10);
    expect(world.broken?.rule).toBe('time goes on');
  });
});
