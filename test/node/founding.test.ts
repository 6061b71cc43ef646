// How a cluster begins: one founding record, made by the lowest id once every store said it is blank,
// taken only by the stores that stand in it, through crashes at any moment.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ClusterConfig,
  defaultCluster,
  defaultLimits,
  defaultRaftConfig,
  type NodeConfig,
} from '../../src/node/config.ts';
import {
  decodeFounding,
  differences,
  encodeFounding,
  Founding,
  type FoundingRecord,
  peerProtocolVersion,
} from '../../src/node/founding.ts';
import type { Hello } from '../../src/transport/types.ts';

const nodes = new Map([1, 2, 3].map((id) => [id, `127.0.0.1:700${id}`]));

function configOf(id: number, cluster: Partial<ClusterConfig> = {}): NodeConfig {
  return {
    id,
    address: nodes.get(id) ?? '',
    nodes,
    cluster: { ...defaultCluster('test'), ...cluster },
    limits: defaultLimits,
    raft: defaultRaftConfig,
    version: '0.0.0',
  };
}

/** Process and disk of one node: what was not durable is lost with the process. */
class Member {
  readonly config: NodeConfig;
  uuid: Uint8Array;
  durable: Uint8Array | null = null;
  founding: Founding;
  /** On its way to the disk. */
  adopting: FoundingRecord | null = null;

  constructor(id: number, uuid = Buffer.alloc(16, id), cluster: Partial<ClusterConfig> = {}) {
    this.config = configOf(id, cluster);
    this.uuid = uuid;
    this.founding = this.open();
  }

  start(): void {
    this.adopting = null;
    this.founding = this.open();
    this.follow(this.founding.foundIfAllBlank());
  }

  hello(to: number): Hello {
    const { id, cluster, address } = this.config;
    const { record } = this.founding;
    return {
      version: peerProtocolVersion,
      cluster: cluster.name,
      node: id,
      to,
      storeUuid: this.uuid,
      founding: record === null ? null : encodeFounding(record),
      address,
      partitionCount: cluster.partitions,
      mapping: cluster.mapping,
    };
  }

  take(hello: Hello): string | null {
    const refusal = this.founding.refuse(hello);
    if (refusal === null) this.follow(this.founding.take(hello));
    return refusal;
  }

  /** The record reached the disk; the process may not live to know. */
  persist(): void {
    if (this.adopting !== null) this.durable = encodeFounding(this.adopting);
  }

  know(): void {
    if (this.adopting === null) return;
    this.persist();
    this.founding.record = this.adopting;
    this.adopting = null;
  }

  get serves(): boolean {
    return this.founding.record !== null;
  }

  private open(): Founding {
    const record = this.durable === null ? null : decodeFounding(this.durable);
    return new Founding(this.config, this.uuid, record, () => Buffer.from(`cluster ${idsMade++}`));
  }

  private follow(step: ReturnType<Founding['take']>): void {
    if (step.kind === 'found') this.adopting ??= step.record;
  }
}

let idsMade = 0;

/** Every member says hello to every other one and makes durable what it decides, until nothing changes. */
function settle(members: readonly Member[]): void {
  for (let round = 0; round < 5; round++) {
    for (const from of members) {
      for (const to of members) if (to !== from) to.take(from.hello(to.config.id));
      for (const member of members) member.know();
    }
  }
}

const idOf = (member: Member) => Buffer.from(member.founding.record?.clusterId ?? []).toString();

describe('a cluster of three', () => {
  const event = fc.record({
    kind: fc.constantFrom('hello', 'hello', 'hello', 'know', 'persist', 'crash', 'crash durable'),
    from: fc.nat(2),
    to: fc.nat(2),
  });

  test('is founded once, whatever crashes before or after its record is durable', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const members = [1, 2, 3].map((id) => new Member(id));
        const durableIds = new Set<string>();
        const note = () => {
          for (const { durable } of members) {
            if (durable === null) continue;
            durableIds.add(Buffer.from(decodeFounding(durable)?.clusterId ?? []).toString());
          }
        };
        for (const { kind, from, to } of events) {
          const [speaker, hearer] = [members[from], members[to]];
          if (speaker === undefined || hearer === undefined) continue;
          if (kind === 'know') speaker.know();
          else if (kind === 'persist') speaker.persist();
          else if (kind === 'crash') speaker.start();
          else if (kind === 'crash durable') {
            speaker.persist();
            speaker.start();
          } else if (speaker !== hearer) {
            expect(hearer.take(speaker.hello(hearer.config.id))).toBeNull();
          }
          note();
        }
        settle(members);
        note();
        expect(members.every((member) => member.serves)).toBe(true);
        expect(new Set(members.map(idOf)).size).toBe(1);
        expect(durableIds.size).toBe(1);
        for (const { founding } of members) {
          expect(founding.waitingFor()).toBe('');
          expect(founding.strangers()).toEqual([]);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('waits for the node that was not heard, and says so; only the lowest id founds', () => {
    const [one, two, three] = [new Member(1), new Member(2), new Member(3)];
    settle([one, two]);
    expect([one.serves, two.serves]).toEqual([false, false]);
    expect(one.founding.waitingFor()).toBe('the first contact with node 3');
    settle([two, three]);
    expect(three.founding.waitingFor()).toBe('the first contact with node 1');
    expect([two.adopting, two.serves, three.serves]).toEqual([null, false, false]);
    expect(two.founding.waitingFor()).toBe('node 1 to found the cluster');
  });

  test('a blank store beside two founded ones waits and never founds', () => {
    for (const wiped of [1, 2, 3]) {
      const members = [1, 2, 3].map((id) => new Member(id));
      settle(members);
      const others = members.filter(({ config }) => config.id !== wiped);
      const blank = new Member(wiped, Buffer.alloc(16, 99));
      blank.start();
      settle([blank, ...others]);
      expect(blank.serves).toBe(false);
      expect(blank.durable).toBeNull();
      expect(blank.founding.waitingFor()).toMatch(/fits this node \(id: told \d, stored none/);
      for (const other of others) {
        expect(other.founding.strangers()).toEqual([wiped]);
        expect(other.take(blank.hello(other.config.id))).toMatch('another data directory');
        for (const each of others) {
          if (each !== other) expect(other.founding.isTrusted(each.config.id)).toBe(true);
        }
      }
    }
  });

  test('a blank store elsewhere that says it is a founded node is refused, and that node is still trusted', () => {
    const members = [1, 2, 3].map((id) => new Member(id));
    settle(members);
    const [one, two] = members;
    const mistaken = new Member(2, Buffer.alloc(16, 99));
    expect(one?.take(mistaken.hello(1))).toBe(
      'node 2 has another data directory than it was founded with',
    );
    expect(one?.founding.isTrusted(2)).toBe(true);
    expect(one?.founding.strangers()).toEqual([2]);
    expect(two === undefined ? 'no node 2' : one?.take(two.hello(1))).toBeNull();
    expect(one?.founding.strangers()).toEqual([]);
  });

  test('nothing is founded with a store that was met and is gone', () => {
    const [one, wrong, three] = [new Member(1), new Member(2, Buffer.alloc(16, 99)), new Member(3)];
    one.take(wrong.hello(1));
    one.founding.forget(2);
    one.take(three.hello(1));
    expect(one.adopting).toBeNull();
    one.take(new Member(2).hello(1));
    expect(one.adopting?.nodes.get(2)).toEqual(Buffer.alloc(16, 2));
  });

  test('two blank stores beside a founded one found nothing', () => {
    const members = [1, 2, 3].map((id) => new Member(id));
    settle(members);
    const [lowest, other] = [
      new Member(1, Buffer.alloc(16, 98)),
      new Member(3, Buffer.alloc(16, 99)),
    ];
    const [, founded] = members;
    for (const each of [founded, other]) if (each !== undefined) lowest.take(each.hello(1));
    expect([lowest.adopting, lowest.serves]).toEqual([null, false]);
    expect(lowest.founding.foundIfAllBlank()).toEqual({ kind: 'none' });
  });

  test('a node that has the record hands it on while the one that made it is away', () => {
    const [one, two, three] = [new Member(1), new Member(2), new Member(3)];
    for (const each of [two, three]) one.take(each.hello(1));
    one.know();
    two.take(one.hello(2));
    two.know();
    two.start();
    three.take(two.hello(3));
    three.know();
    expect(idOf(three)).toBe(idOf(one));
    expect([1, 2].map((id) => three.founding.isTrusted(id))).toEqual([false, true]);
  });

  test('a cluster of one founds itself at once', () => {
    const config = { ...configOf(1), nodes: new Map([[1, 'localhost:7001']]) };
    const founding = new Founding(config, Buffer.alloc(16, 1), null, () => Buffer.alloc(16, 8));
    expect(founding.foundIfAllBlank().kind).toBe('found');
  });
});

describe('a hello is refused by name', () => {
  const founding = new Member(1).founding;
  const hello = new Member(2).hello(1);

  test.each([
    [{ cluster: 'other' }, /node 2 is of cluster "other", this node of cluster "test"/],
    [{ partitionCount: 8 }, /node 2 has 8 partitions, this node 16/],
    [{ mapping: 'tt_sum' }, /node 2 maps shards by tt_sum, this node by mix/],
    [{ version: 9 }, /node 2 speaks peer protocol 9, this node 4/],
    [{ node: 4 }, /node 4 is not in this node's list of peers/],
    [{ node: 1 }, /node 1 says it is this node/],
    [{ founding: Buffer.from('x') }, /founding record of an unknown version/],
  ])('%j', (wrong, refusal) => {
    expect(founding.refuse(hello)).toBeNull();
    expect(founding.refuse({ ...hello, ...wrong })).toMatch(refusal);
  });

  test('two clusters of one name, each founded, refuse each other', () => {
    const [ours, theirs] = [1, 2].map(() => [1, 2, 3].map((id) => new Member(id)));
    settle(ours ?? []);
    settle(theirs ?? []);
    const refusal = ours?.[0]?.take(theirs?.[1]?.hello(1) ?? hello);
    expect(refusal).toBe('node 2 was founded with another cluster of the same name');
  });
});

describe('the record', () => {
  const uuids = new Map([1, 2, 3].map((id) => [id, Buffer.alloc(16, id)]));
  const cluster = {
    ...defaultCluster('test'),
    dedupe: { windowMs: 2 ** 40, windowBytes: 2 ** 33 },
  };
  const record = { clusterId: Buffer.alloc(16, 7), cluster, nodes: uuids };

  test('is read as it was written, and is the same bytes on every node', () => {
    const decoded = decodeFounding(encodeFounding(record));
    expect(decoded?.cluster).toEqual(cluster);
    const backwards = { ...record, nodes: new Map([...uuids].reverse()) };
    expect(encodeFounding(backwards)).toEqual(encodeFounding(record));
    expect(decodeFounding(encodeFounding(backwards))).toEqual(decoded);
  });

  test('damaged, or of another version, is none, and never throws', () => {
    const bytes = encodeFounding(record);
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeFounding(bytes.subarray(0, length))).toBeNull();
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (random) => {
        expect(decodeFounding(random)).toBeNull();
      }),
    );
  });

  test.each([
    [configOf(1, { name: 'x' }), 'cluster: told x, stored test'],
    [configOf(1, { partitions: 4 }), 'partitions: told 4, stored 16'],
    [configOf(1, { mapping: 'tt_one' }), 'mapping: told tt_one, stored mix'],
    [configOf(1, { lease: true }), 'lease: told true, stored false'],
    [configOf(2), 'id: told 2, stored 1'],
    [{ ...configOf(1), nodes: new Map([[1, 'a']]) }, 'peers: told 1, stored 1,2,3'],
  ])('is compared with what a node was told (%#)', (config, line) => {
    const told = { ...config, cluster: { ...config.cluster, dedupe: cluster.dedupe } };
    expect(differences(told, record, Buffer.alloc(16, 1))).toEqual([line]);
  });

  test('another dedupe window is a difference; the same settings are none', () => {
    const told = { ...configOf(3), cluster };
    expect(differences(told, record, Buffer.alloc(16, 3))).toEqual([]);
    expect(differences(configOf(3), record, Buffer.alloc(16, 3))).toHaveLength(2);
  });
});
