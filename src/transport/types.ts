// What the node asks of the network between nodes: two lanes to every peer, hellos judged by the
// node, batches of messages, and the difference between silence and a dead process. Implemented
// over TCP (tcp/tcp-transport.ts) and by the lab's network.

import type { EntryPayload } from '../entry.ts';
import type { RaftMessage } from '../raft/types.ts';

export type NodeId = number;
export type Lane = 'control' | 'data';

/** Who speaks, and what of the cluster it knows. */
export interface Hello {
  readonly version: number;
  readonly cluster: string;
  readonly node: NodeId;
  readonly to: NodeId;
  readonly storeUuid: Uint8Array;
  /** The founding record; null = blank store. */
  readonly founding: Uint8Array | null;
  readonly address: string;
  readonly partitionCount: number;
  readonly mapping: string;
}

export type PeerMessage = RaftMessage<EntryPayload>;

/** Messages of one turn to one peer, with their partitions; partitions[i] is that of messages[i]. */
export interface PeerBatch {
  /** The sender's wall clock when the batch was made: one voter's reading for log time. */
  readonly wallMs: number;
  readonly partitions: readonly number[];
  readonly messages: readonly PeerMessage[];
}

export interface TransportEvents {
  /** What this node says of itself to `to`, now. */
  hello(to: NodeId): Hello;
  /** Judges a peer's hello (either direction, any number of times); a string refuses it and says why. */
  onHello(hello: Hello): string | null;
  onBatch(from: NodeId, lane: Lane, batch: PeerBatch): void;
  /** A lane to that peer was accepted by it: batches may be sent. */
  onConnected(peer: NodeId, lane: Lane): void;
  onDisconnected(peer: NodeId, lane: Lane): void;
  /** Its connection ended AND a new connect was refused, or unanswered for 50 ms. Said again while that lasts. */
  onProcessDown(peer: NodeId): void;
}

export interface Transport {
  start(events: TransportEvents): void;
  /**
   * Queues one frame. False: the lane is not connected, or its queue is full (queueBytesMax), and the
   * batch is dropped; Raft repeats what matters.
   */
  send(to: NodeId, lane: Lane, batch: PeerBatch): boolean;
  /** Says hello again to every connected peer, after what it knows changed. */
  helloChanged(): void;
  /** Both lanes to it are up. */
  connected(peer: NodeId): boolean;
  /** Why that peer, or this node, last refused the other's hello; null where the newest ones were good. */
  lastRefusal(peer: NodeId): string | null;
  close(): Promise<void>;
}
