// What the checkers look at: a node as they see it, so that a wrong one can be shown to them.
import type { Raft, RaftConfig } from '../raft/types.ts';
import type { NodeId } from '../transport/types.ts';
import type { SortedRows } from './sorted-rows.ts';

export interface SeenEntry {
  readonly term: number;
  readonly chain: Uint8Array;
}

type Shown =
  | 'role'
  | 'term'
  | 'leader'
  | 'commit'
  | 'applied'
  | 'lastIndex'
  | 'durableIndex'
  | 'leaseUntilMs'
  | 'termsUpTo'
  | 'chainAt'
  | 'follower';

export interface SeenRaft extends Pick<Raft<unknown>, Shown> {
  entry(index: number): SeenEntry | null;
}

export interface SeenReplica {
  readonly partition: number;
  readonly raft: SeenRaft;
  readonly checkpointIndex: number;
}

export interface SeenNode {
  readonly id: NodeId;
  readonly name: string;
  readonly machine: { readonly incarnation: number; monotonicMs(): number };
  readonly disk: { readonly damaged: boolean; readonly rows: Pick<SortedRows, 'get' | 'range'> };
  readonly config: {
    readonly nodes: { readonly size: number };
    readonly raft: Pick<RaftConfig, 'preVote' | 'electionTimeoutMs'>;
  };
  readonly node: { readonly replicas: readonly SeenReplica[] } | null;
}
