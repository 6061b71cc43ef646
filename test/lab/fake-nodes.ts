// Nodes made by hand for the checkers to look at: each has one replica of partition 0, whose log stands on
// its disk unless a test says otherwise.
import { createEmptyPayload, encodeEntry } from '../../src/entry.ts';
import type { SeenEntry, SeenNode, SeenReplica } from '../../src/lab/seen-node.ts';
import { SortedRows } from '../../src/lab/sorted-rows.ts';
import { EntryKind, type FollowerView, type Role } from '../../src/raft/types.ts';
import { entryKey, firstGeneration, hardStateKey } from '../../src/storage/keys.ts';
import { encodeHardState } from '../../src/storage/own-rows.ts';
import { encodeRecord } from '../../src/storage/record-codec.ts';

const partition = 0;

class FakeRaft {
  role: Role = 'follower';
  term = 1;
  commit = 0;
  applied = 0;
  leader = 0;
  leaseUntilMs = -Infinity;
  /** null: the whole log. */
  durable: number | null = null;
  readonly followers = new Map<number, FollowerView>();
  readonly log: SeenEntry[] = [];

  get durableIndex(): number {
    return this.durable ?? this.lastIndex;
  }

  follower(id: number): FollowerView | null {
    return this.followers.get(id) ?? null;
  }

  get lastIndex(): number {
    return this.log.length;
  }

  entry(index: number): SeenEntry | null {
    return this.log[index - 1] ?? null;
  }

  chainAt(index: number): Uint8Array | null {
    return this.entry(index)?.chain ?? null;
  }

  termsUpTo(index: number) {
    return this.log.slice(0, index).map(({ term }, i) => ({ firstIndex: i + 1, term }));
  }
}

export class FakeNode implements SeenNode {
  readonly id: number;
  readonly name: string;
  readonly machine = { incarnation: 1, monotonicMs: () => this.nowMs };
  nowMs = 0;
  readonly disk = { damaged: false, rows: new SortedRows() };
  readonly config = { nodes: { size: 3 }, raft: { preVote: true, electionTimeoutMs: 500 } };
  readonly raft = new FakeRaft();
  checkpointIndex = 0;

  constructor(id: number) {
    this.id = id;
    this.name = `node ${id}`;
  }

  get node(): { readonly replicas: readonly SeenReplica[] } {
    const { raft, checkpointIndex } = this;
    return { replicas: [{ partition, raft, checkpointIndex }] };
  }

  /** An entry that `text` tells from others. */
  append(term: number, text: string, { durable = true } = {}): void {
    const entry = { term, chain: chainOf(text) };
    this.raft.log.push(entry);
    if (durable) this.store(this.raft.lastIndex, entry);
  }

  store(index: number, { term, chain }: SeenEntry): void {
    const payload = createEmptyPayload();
    const head = { index, term, kind: EntryKind.EMPTY, timeMs: 0 };
    const bytes = encodeEntry(partition, { ...head, payload, payloadBytes: 0, chain });
    this.disk.rows.put(nameOf(entryKey({ partition, generation: firstGeneration }, index)), bytes);
  }

  /** Its disk has lost an entry, and nobody knows. */
  forget(index: number): void {
    this.disk.rows.delete(nameOf(entryKey({ partition, generation: firstGeneration }, index)));
  }

  promise(term: number, votedFor: number): void {
    const key = hardStateKey(partition);
    const value = encodeHardState({ term, votedFor, commit: 0 });
    this.disk.rows.put(nameOf(key), encodeRecord(key, value));
  }

  restart(): void {
    this.machine.incarnation += 1;
  }
}

function chainOf(text: string): Uint8Array {
  return Buffer.from(text.padEnd(16, '.'));
}

function nameOf(key: Buffer): string {
  return key.toString('latin1');
}
