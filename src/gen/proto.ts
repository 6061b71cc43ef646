// Generated from proto/ by scripts/generate.ts. Do not edit.
import type Long from 'long';
import { codec } from './codec.ts';

/** One append. Fields in ascending order without defaults is the canonical form: those bytes are what is stored, replicated and read. */
export interface AppendCommand {
  /** Conversation name, canonical text (docs/api.md), at most 512 bytes, such as "g:lobby" or "p:alice~bob". A pair named the wrong way round is sorted. */
  readonly conversation: string;
  /** Who says it: 1 to 128 bytes. */
  readonly sender: string;
  /** Idempotency key, 1 to 64 bytes; empty = none. The same (conversation, sender, key) within the dedupe window is stored once and every retry is answered with the original seq. */
  readonly key: string;
  /** The message, opaque, 0 to 262,144 bytes. */
  readonly body: Uint8Array;
  /** For example "text/plain"; at most 128 bytes. */
  readonly contentType: string;
  /** At most 32 pairs and 4,096 bytes in all. */
  readonly headers: readonly Header[];
  /** The conversation's head seq that this append was decided on (0 = empty). Where it is another, the append is refused with EXPECTED_SEQ_MISMATCH. */
  readonly expectedSeq: Long;
  /** Which of the sender's devices says it, at most 64 bytes; empty = the only one. */
  readonly device: string;
  /** Of that device, from RegisterDevice; a higher one fences the lower ones. */
  readonly epoch: Long;
  /** The sender's own number of the message in this conversation, device and epoch: rising, may jump. */
  readonly clientSeq: Long;
  /** The client_seq before it, 0 = this is the first of the epoch. Makes it a link of a chain: it is stored after its predecessor, held while that is missing. Absent: client_seq is only kept. */
  readonly prevClientSeq: Long;
  /** The sender's clock, ms since 1970; kept and shown, decides nothing. */
  readonly clientTimeMs: Long;
  /** The newest seq of the conversation its sender had seen; above the head it is refused (IN_FUTURE). */
  readonly seenSeq: Long;
  /** Takes its seq at once, and is shown to others only after a Release. */
  readonly pending: boolean;
  /** An event instead of a message: it has a rev, and no seq, body, content type or headers. At most one. */
  readonly setPolicy: SetPolicy | null;
  readonly release: Release | null;
  readonly reject: Reject | null;
  readonly registerDevice: RegisterDevice | null;
  /** Written by the leader only. */
  readonly gapMarker: GapMarker | null;
}
export interface AppendCommandInput {
  conversation?: string;
  sender?: string;
  key?: string;
  body?: Uint8Array;
  contentType?: string;
  headers?: readonly HeaderInput[];
  expectedSeq?: Long | number;
  device?: string;
  epoch?: Long | number;
  clientSeq?: Long | number;
  prevClientSeq?: Long | number;
  clientTimeMs?: Long | number;
  seenSeq?: Long | number;
  pending?: boolean;
  setPolicy?: SetPolicyInput | null;
  release?: ReleaseInput | null;
  reject?: RejectInput | null;
  registerDevice?: RegisterDeviceInput | null;
  gapMarker?: GapMarkerInput | null;
}
export const AppendCommand = codec<AppendCommand, AppendCommandInput>('paceline.v1.AppendCommand');

/** Replaces the conversation's policy; what is absent is the default of its type. */
export interface SetPolicy {
  readonly order: number;
  /** What ends the wait for a missing predecessor. */
  readonly gapAction: number;
  /** 0 to 60,000; where absent, 2,000 in p: and s:, 500 in all others. */
  readonly gapWaitMs: number;
  /** 100 to 86,400,000; 60,000 where absent. */
  readonly pendingTtlMs: number;
  /** What becomes of a pending message then. */
  readonly pendingEnd: number;
}
export interface SetPolicyInput {
  order?: number;
  gapAction?: number;
  gapWaitMs?: number;
  pendingTtlMs?: number;
  pendingEnd?: number;
}
export const SetPolicy = codec<SetPolicy, SetPolicyInput>('paceline.v1.SetPolicy');

export const OrderPolicy = {
  ORDER_POLICY_UNSPECIFIED: 0,
  ORDER_POLICY_SENDER_FIFO: 1,
  ORDER_POLICY_SERVER: 2,
} as const;

export const GapAction = {
  GAP_ACTION_UNSPECIFIED: 0,
  GAP_ACTION_MARK: 1,
  GAP_ACTION_REJECT: 2,
  GAP_ACTION_SKIP: 3,
} as const;

export const PendingEnd = {
  PENDING_END_UNSPECIFIED: 0,
  PENDING_END_REJECT: 1,
  PENDING_END_RELEASE: 2,
} as const;

/** A pending message is shown from now on. */
export interface Release {
  readonly seq: Long;
}
export interface ReleaseInput {
  seq?: Long | number;
}
export const Release = codec<Release, ReleaseInput>('paceline.v1.Release');

/** A pending message is never shown; REJECTED stands in its place. */
export interface Reject {
  readonly seq: Long;
}
export interface RejectInput {
  seq?: Long | number;
}
export const Reject = codec<Reject, RejectInput>('paceline.v1.Reject');

/** In s:<user>, whose only device-giver it is: the answer's epoch is higher than all before. */
export interface RegisterDevice {
  /** 1 to 64 bytes. */
  readonly device: string;
}
export interface RegisterDeviceInput {
  device?: string;
}
export const RegisterDevice = codec<RegisterDevice, RegisterDeviceInput>('paceline.v1.RegisterDevice');

/** The sender's messages after `after` and before `before` are missing here; those that come later name this marker's rev in `late_for`. */
export interface GapMarker {
  readonly device: string;
  readonly epoch: Long;
  /** client_seq of the last one stored; 0 = none. */
  readonly after: Long;
  /** client_seq of the next one stored. */
  readonly before: Long;
}
export interface GapMarkerInput {
  device?: string;
  epoch?: Long | number;
  after?: Long | number;
  before?: Long | number;
}
export const GapMarker = codec<GapMarker, GapMarkerInput>('paceline.v1.GapMarker');

/** A name and a value that travel with a message. */
export interface Header {
  /** 1 byte at least. */
  readonly name: string;
  /** May be empty. */
  readonly value: string;
}
export interface HeaderInput {
  name?: string;
  value?: string;
}
export const Header = codec<Header, HeaderInput>('paceline.v1.Header');

/** One frame up: at most 4,096 commands and 1 MiB, or one command. */
export interface AppendSessionRequest {
  /** Chosen by the client, echoed in results. */
  readonly frame: Long;
  /** One for each partition, or for each atomic batch. */
  readonly groups: readonly AppendGroup[];
}
export interface AppendSessionRequestInput {
  frame?: Long | number;
  groups?: readonly AppendGroupInput[];
}
export const AppendSessionRequest = codec<AppendSessionRequest, AppendSessionRequestInput>('paceline.v1.AppendSessionRequest');

/** Commands for one partition, sequenced in this order. */
export interface AppendGroup {
  /** The version of the map by which the client chose the partition; 0 = unknown. */
  readonly mapVersion: Long;
  /** floor(shard * partitions / 8192). */
  readonly partition: number;
  /** Conversations whose order on this stream was broken by an earlier result and now goes on, from this group's commands. */
  readonly restart: readonly string[];
  /** All or none, in one conversation: at most 128 commands and 1 MiB. */
  readonly atomic: boolean;
  /** At least one. */
  readonly commands: readonly AppendCommand[];
}
export interface AppendGroupInput {
  mapVersion?: Long | number;
  partition?: number;
  restart?: readonly string[];
  atomic?: boolean;
  commands?: readonly AppendCommandInput[];
}
export const AppendGroup = codec<AppendGroup, AppendGroupInput>('paceline.v1.AppendGroup');

/** One frame down: the groups that were decided since the last one. */
export interface AppendSessionResponse {
  readonly groups: readonly AppendGroupResult[];
  /** What became of commands that were answered `held`. */
  readonly held: readonly HeldResult[];
}
export interface AppendSessionResponseInput {
  groups?: readonly AppendGroupResultInput[];
  held?: readonly HeldResultInput[];
}
export const AppendSessionResponse = codec<AppendSessionResponse, AppendSessionResponseInput>('paceline.v1.AppendSessionResponse');

/** The end of one held command. */
export interface HeldResult {
  /** Echoed. */
  readonly frame: Long;
  readonly group: number;
  /** Its place in the group, from 0. */
  readonly slot: number;
  readonly result: AppendResult | null;
}
export interface HeldResultInput {
  frame?: Long | number;
  group?: number;
  slot?: number;
  result?: AppendResultInput | null;
}
export const HeldResult = codec<HeldResult, HeldResultInput>('paceline.v1.HeldResult');

/** The results of one group. */
export interface AppendGroupResult {
  /** Echoed. */
  readonly frame: Long;
  /** Position in its frame, from 0. */
  readonly group: number;
  /** One for each command, in order. */
  readonly results: readonly AppendResult[];
  /** Version of the partition map this node has. */
  readonly mapVersion: Long;
}
export interface AppendGroupResultInput {
  frame?: Long | number;
  group?: number;
  results?: readonly AppendResultInput[];
  mapVersion?: Long | number;
}
export const AppendGroupResult = codec<AppendGroupResult, AppendGroupResultInput>('paceline.v1.AppendGroupResult');

/** What became of one command: `error`, or the rest. */
export interface AppendResult {
  /** Number of the message in its conversation: 1..n without a hole. */
  readonly seq: Long;
  /** Number of the event in its conversation: 1..n without a hole. */
  readonly rev: Long;
  /** 64-bit id, rising: 41 bits of ms since 2025-01-01, 13 bits shard, 10 bits counter. */
  readonly id: Long;
  /** Log time, ms since 1970: agreed by the voters' clocks, never falls. */
  readonly timeMs: Long;
  /** Raft index of the entry it stands in. */
  readonly index: Long;
  /** Term of that entry. */
  readonly term: Long;
  /** True: the key was used before in the window; the numbers are the original's. */
  readonly duplicate: boolean;
  /** Log time, ms, until which a retry of the key is recognised (an estimate). */
  readonly dedupeUntilMs: Long;
  /** Set: nothing was stored by this attempt, unless the reason is OUTCOME_UNKNOWN. */
  readonly error: AppendError | null;
  /** Opaque, at most 32 bytes: a read or subscription with it is not older than this append. */
  readonly readToken: Uint8Array;
  /** It came after a later one of its sender had been stored: it stands at the end. */
  readonly late: boolean;
  /** With late: the rev of the GapMarker that stands in its place; 0 = the gap was skipped. */
  readonly lateFor: Long;
  /** Of RegisterDevice. */
  readonly epoch: Long;
  /** Set: it waits for its predecessor, its result follows in `held`; nothing else is set. */
  readonly held: Held | null;
}
export interface AppendResultInput {
  seq?: Long | number;
  rev?: Long | number;
  id?: Long | number;
  timeMs?: Long | number;
  index?: Long | number;
  term?: Long | number;
  duplicate?: boolean;
  dedupeUntilMs?: Long | number;
  error?: AppendErrorInput | null;
  readToken?: Uint8Array;
  late?: boolean;
  lateFor?: Long | number;
  epoch?: Long | number;
  held?: HeldInput | null;
}
export const AppendResult = codec<AppendResult, AppendResultInput>('paceline.v1.AppendResult');

/** Why a command waits. */
export interface Held {
  /** What is missing begins after this client_seq: it has to be sent again. */
  readonly resendFrom: Long;
  /** The prev_client_seq it waits for. */
  readonly want: Long;
}
export interface HeldInput {
  resendFrom?: Long | number;
  want?: Long | number;
}
export const Held = codec<Held, HeldInput>('paceline.v1.Held');

/** Why a command was refused; the same fields that google.rpc.ErrorInfo carries for unary calls. */
export interface AppendError {
  /** Stable reason, such as NOT_LEADER, BUSY, EXPECTED_SEQ_MISMATCH (docs/api.md lists them). */
  readonly reason: string;
  /** For people. */
  readonly message: string;
  /** The leader's node id where known, else 0. */
  readonly leader: number;
  /** host:port of that leader, where known. */
  readonly leaderAddress: string;
  /** Wait this long before the next try; 0 = as you like. */
  readonly retryAfterMs: number;
  /** The offending field, for bad input. */
  readonly field: string;
  /** The limit that was passed, for bad input and BUSY. */
  readonly limit: Long;
  /** What the server has, where it matters: the head seq, the original seq, the chain's last client_seq. */
  readonly actual: Long;
  /** SENDER_GAP: the client_seq that is missing. */
  readonly want: Long;
}
export interface AppendErrorInput {
  reason?: string;
  message?: string;
  leader?: number;
  leaderAddress?: string;
  retryAfterMs?: number;
  field?: string;
  limit?: Long | number;
  actual?: Long | number;
  want?: Long | number;
}
export const AppendError = codec<AppendError, AppendErrorInput>('paceline.v1.AppendError');

/** See LogService.Append. */
export interface AppendRequest {
  readonly command: AppendCommand | null;
  /** Set by a node that passes the call on, so that it is passed on once only. */
  readonly forwarded: boolean;
}
export interface AppendRequestInput {
  command?: AppendCommandInput | null;
  forwarded?: boolean;
}
export const AppendRequest = codec<AppendRequest, AppendRequestInput>('paceline.v1.AppendRequest');

/** See LogService.Append. */
export interface AppendResponse {
  readonly result: AppendResult | null;
  /** The node that decided. */
  readonly servedBy: number;
}
export interface AppendResponseInput {
  result?: AppendResultInput | null;
  servedBy?: number;
}
export const AppendResponse = codec<AppendResponse, AppendResponseInput>('paceline.v1.AppendResponse');

export const ReadLevel = {
  READ_LEVEL_UNSPECIFIED: 0,
  READ_LEVEL_LINEARIZABLE: 1,
  READ_LEVEL_EVENTUAL: 2,
  READ_LEVEL_AT_LEAST: 3,
} as const;

export const ReadDirection = {
  READ_DIRECTION_UNSPECIFIED: 0,
  READ_DIRECTION_FORWARD: 1,
  READ_DIRECTION_BACKWARD: 2,
} as const;

/** See LogService.Read. At most one of after_seq, before_seq and around_seq. */
export interface ReadRequest {
  /** Canonical text. */
  readonly conversation: string;
  /** Exclusive: the page starts at after_seq + 1. A page forward without any starting point starts at the oldest message. */
  readonly afterSeq: Long;
  /** 1 to 1,000; 0 = 100. */
  readonly limit: number;
  readonly level: number;
  /** Exclusive: the page ends at before_seq - 1. A page backward without any starting point ends at the newest message. */
  readonly beforeSeq: Long;
  /** The page has this seq in its middle, or as near to it as the ends allow. */
  readonly aroundSeq: Long;
  readonly direction: number;
  /** From an append or an earlier read. */
  readonly readToken: Uint8Array;
  /** Who reads: sees its own pending and rejected messages whole. */
  readonly viewer: string;
}
export interface ReadRequestInput {
  conversation?: string;
  afterSeq?: Long | number;
  limit?: number;
  level?: number;
  beforeSeq?: Long | number;
  aroundSeq?: Long | number;
  direction?: number;
  readToken?: Uint8Array;
  viewer?: string;
}
export const ReadRequest = codec<ReadRequest, ReadRequestInput>('paceline.v1.ReadRequest');

/** See LogService.Read. */
export interface ReadResponse {
  readonly messages: readonly ChatMessage[];
  /** Newest seq of the conversation on this replica; 0 = it has no message. */
  readonly headSeq: Long;
  /** Newest rev of the conversation on this replica. */
  readonly headRev: Long;
  /** Oldest seq that can be read; 0 = it has no message. */
  readonly minSeq: Long;
  /** The node that answered. */
  readonly servedBy: number;
  /** Raft index up to which that replica had applied. */
  readonly appliedIndex: Long;
  /** Since this replica heard of a commit index that it has now applied, ms. */
  readonly lagMs: number;
  /** A later read with it is not older than this one. */
  readonly readToken: Uint8Array;
}
export interface ReadResponseInput {
  messages?: readonly ChatMessageInput[];
  headSeq?: Long | number;
  headRev?: Long | number;
  minSeq?: Long | number;
  servedBy?: number;
  appliedIndex?: Long | number;
  lagMs?: number;
  readToken?: Uint8Array;
}
export const ReadResponse = codec<ReadResponse, ReadResponseInput>('paceline.v1.ReadResponse');

/** See LogService.BatchGetHeads. */
export interface BatchGetHeadsRequest {
  /** At most 1,000 names. */
  readonly conversations: readonly string[];
}
export interface BatchGetHeadsRequestInput {
  conversations?: readonly string[];
}
export const BatchGetHeadsRequest = codec<BatchGetHeadsRequest, BatchGetHeadsRequestInput>('paceline.v1.BatchGetHeadsRequest');

/** See LogService.BatchGetHeads. */
export interface BatchGetHeadsResponse {
  /** In the order asked. */
  readonly heads: readonly ConversationHead[];
  /** The node that answered. */
  readonly servedBy: number;
}
export interface BatchGetHeadsResponseInput {
  heads?: readonly ConversationHeadInput[];
  servedBy?: number;
}
export const BatchGetHeadsResponse = codec<BatchGetHeadsResponse, BatchGetHeadsResponseInput>('paceline.v1.BatchGetHeadsResponse');

/** Where a conversation ends. */
export interface ConversationHead {
  /** 0 = it has no message. */
  readonly headSeq: Long;
  readonly headRev: Long;
  /** Oldest seq that can be read; 0 = it has no message. */
  readonly minSeq: Long;
}
export interface ConversationHeadInput {
  headSeq?: Long | number;
  headRev?: Long | number;
  minSeq?: Long | number;
}
export const ConversationHead = codec<ConversationHead, ConversationHeadInput>('paceline.v1.ConversationHead');

/** The first one of a stream has `start`, all others only `credits`. A client that ends its side of the stream needs no credits: then only the stream's own flow control slows the node down. */
export interface SubscribeRequest {
  readonly start: SubscribeStart | null;
  /** Messages and events that may be sent beyond those allowed so far. */
  readonly credits: number;
}
export interface SubscribeRequestInput {
  start?: SubscribeStartInput | null;
  credits?: number;
}
export const SubscribeRequest = codec<SubscribeRequest, SubscribeRequestInput>('paceline.v1.SubscribeRequest');

/** What to follow: a conversation, or a whole partition in log order. */
export interface SubscribeStart {
  /** Canonical text; empty = a partition. */
  readonly conversation: string;
  /** Exclusive: what came after that message; 0 = from the oldest. */
  readonly afterSeq: Long;
  /** Instead of after_seq; exclusive. */
  readonly afterRev: Long;
  /** Where no conversation is named. */
  readonly partition: number;
  /** Of the partition's log, exclusive; 0 = from the oldest entry. */
  readonly afterIndex: Long;
  /** Messages and events that may be sent at once; 0 = 1,024. */
  readonly credits: number;
  /** Waits until this replica is not older than it. */
  readonly readToken: Uint8Array;
  /** Who reads: sees its own pending and rejected messages whole. */
  readonly viewer: string;
}
export interface SubscribeStartInput {
  conversation?: string;
  afterSeq?: Long | number;
  afterRev?: Long | number;
  partition?: number;
  afterIndex?: Long | number;
  credits?: number;
  readToken?: Uint8Array;
  viewer?: string;
}
export const SubscribeStart = codec<SubscribeStart, SubscribeStartInput>('paceline.v1.SubscribeStart');

/** Any of its parts may be absent; messages come before the others. */
export interface SubscribeResponse {
  /** Messages and events, in order of rev without a hole, or of the log. */
  readonly messages: readonly ChatMessage[];
  /** True once: everything that this replica had applied when it was reached has been sent. */
  readonly caughtUp: boolean;
  /** Nothing was missed up to here; sent at least every 10 s, and with caught_up. */
  readonly progress: SubscribeProgress | null;
  /** The place asked for is gone: what follows starts at `min`. Sent before any later message. */
  readonly reset: SubscribeReset | null;
  /** The node that answers. */
  readonly servedBy: number;
  /** With messages: a later read of that partition with it has seen them. */
  readonly readToken: Uint8Array;
  /** Of read_token. */
  readonly partition: number;
}
export interface SubscribeResponseInput {
  messages?: readonly ChatMessageInput[];
  caughtUp?: boolean;
  progress?: SubscribeProgressInput | null;
  reset?: SubscribeResetInput | null;
  servedBy?: number;
  readToken?: Uint8Array;
  partition?: number;
}
export const SubscribeResponse = codec<SubscribeResponse, SubscribeResponseInput>('paceline.v1.SubscribeResponse');

/** See SubscribeResponse. */
export interface SubscribeProgress {
  /** Of a conversation. */
  readonly seq: Long;
  /** Of a conversation. */
  readonly rev: Long;
  /** Of a partition's log. */
  readonly index: Long;
}
export interface SubscribeProgressInput {
  seq?: Long | number;
  rev?: Long | number;
  index?: Long | number;
}
export const SubscribeProgress = codec<SubscribeProgress, SubscribeProgressInput>('paceline.v1.SubscribeProgress');

/** What is there instead: seqs of a conversation, or indexes of a partition. */
export interface SubscribeReset {
  readonly min: Long;
  readonly max: Long;
}
export interface SubscribeResetInput {
  min?: Long | number;
  max?: Long | number;
}
export const SubscribeReset = codec<SubscribeReset, SubscribeResetInput>('paceline.v1.SubscribeReset');

/** A stored message, or an event of its conversation (in subscriptions only). Each costs a credit. */
export interface ChatMessage {
  /** 0 = an event: `command` says which. */
  readonly seq: Long;
  readonly rev: Long;
  readonly id: Long;
  /** Log time, ms since 1970. */
  readonly timeMs: Long;
  /** As it was appended; others than the sender of a message that is not NORMAL get no key, body, content type or headers. */
  readonly command: AppendCommand | null;
  /** Raft index of the entry it stands in. */
  readonly index: Long;
  /** Its place in that entry, from 0. */
  readonly slot: number;
  /** Of a message, when it was read: one that was released since it was stored is NORMAL. */
  readonly state: number;
  /** See AppendResult. */
  readonly late: boolean;
  readonly lateFor: Long;
  /** Of a Release: the message it shows from now on, whole; absent where that can no longer be read. */
  readonly subject: ChatMessage | null;
  /** Of a RegisterDevice: the epoch it was given. */
  readonly epoch: Long;
}
export interface ChatMessageInput {
  seq?: Long | number;
  rev?: Long | number;
  id?: Long | number;
  timeMs?: Long | number;
  command?: AppendCommandInput | null;
  index?: Long | number;
  slot?: number;
  state?: number;
  late?: boolean;
  lateFor?: Long | number;
  subject?: ChatMessageInput | null;
  epoch?: Long | number;
}
export const ChatMessage = codec<ChatMessage, ChatMessageInput>('paceline.v1.ChatMessage');

export const MessageState = {
  MESSAGE_STATE_UNSPECIFIED: 0,
  MESSAGE_STATE_PENDING: 1,
  MESSAGE_STATE_REJECTED: 2,
} as const;

/** See LogService.GetPartitionMap. */
export interface GetPartitionMapRequest {

}
export interface GetPartitionMapRequestInput {

}
export const GetPartitionMapRequest = codec<GetPartitionMapRequest, GetPartitionMapRequestInput>('paceline.v1.GetPartitionMapRequest');

/** See LogService.GetPartitionMap. */
export interface GetPartitionMapResponse {
  /** Rises with every change of who holds which partition. */
  readonly version: Long;
  /** Number of partitions, a power of two. */
  readonly partitionCount: number;
  /** How a conversation's shard is computed. */
  readonly mapping: number;
  readonly nodes: readonly NodeAddress[];
  /** One for each partition, by number. */
  readonly leaders: readonly PartitionLeader[];
}
export interface GetPartitionMapResponseInput {
  version?: Long | number;
  partitionCount?: number;
  mapping?: number;
  nodes?: readonly NodeAddressInput[];
  leaders?: readonly PartitionLeaderInput[];
}
export const GetPartitionMapResponse = codec<GetPartitionMapResponse, GetPartitionMapResponseInput>('paceline.v1.GetPartitionMapResponse');

export const ShardMapping = {
  SHARD_MAPPING_UNSPECIFIED: 0,
  SHARD_MAPPING_MIX: 1,
  SHARD_MAPPING_TT_SUM: 2,
  SHARD_MAPPING_TT_ONE: 3,
} as const;

/** Where a node is. */
export interface NodeAddress {
  readonly id: number;
  /** host:port. */
  readonly address: string;
}
export interface NodeAddressInput {
  id?: number;
  address?: string;
}
export const NodeAddress = codec<NodeAddress, NodeAddressInput>('paceline.v1.NodeAddress');

/** Who leads a partition. */
export interface PartitionLeader {
  readonly partition: number;
  /** Node id; 0 = none known. */
  readonly leader: number;
  readonly term: Long;
}
export interface PartitionLeaderInput {
  partition?: number;
  leader?: number;
  term?: Long | number;
}
export const PartitionLeader = codec<PartitionLeader, PartitionLeaderInput>('paceline.v1.PartitionLeader');

/** See OperatorService.GetStatus. */
export interface GetStatusRequest {

}
export interface GetStatusRequestInput {

}
export const GetStatusRequest = codec<GetStatusRequest, GetStatusRequestInput>('paceline.v1.GetStatusRequest');

/** See OperatorService.GetStatus. */
export interface GetStatusResponse {
  readonly node: number;
  readonly cluster: string;
  readonly pid: number;
  /** host:port this node listens on. */
  readonly address: string;
  /** "waiting": the cluster is not founded, or this node is not in it; "serving". */
  readonly state: string;
  /** For people: why it waits; where it serves, which nodes it refuses since they have another data directory than they were founded with, mostly none. */
  readonly waitingFor: string;
  /** The initial list, or the founded one. */
  readonly nodes: readonly StatusNode[];
  /** One for each partition this node has a replica of. */
  readonly replicas: readonly StatusReplica[];
  /** The version of Paceline it runs. */
  readonly version: string;
  /** Milliseconds from process start until the replicas' logs were replayed; 0 = not yet. */
  readonly recoveryMs: number;
  /** Log entries replayed above checkpoints at the start. */
  readonly replayedEntries: Long;
}
export interface GetStatusResponseInput {
  node?: number;
  cluster?: string;
  pid?: number;
  address?: string;
  state?: string;
  waitingFor?: string;
  nodes?: readonly StatusNodeInput[];
  replicas?: readonly StatusReplicaInput[];
  version?: string;
  recoveryMs?: number;
  replayedEntries?: Long | number;
}
export const GetStatusResponse = codec<GetStatusResponse, GetStatusResponseInput>('paceline.v1.GetStatusResponse');

/** See OperatorService.TransferLeadership. */
export interface TransferLeadershipRequest {
  readonly partition: number;
  /** Node id of the new leader. */
  readonly node: number;
}
export interface TransferLeadershipRequestInput {
  partition?: number;
  node?: number;
}
export const TransferLeadershipRequest = codec<TransferLeadershipRequest, TransferLeadershipRequestInput>('paceline.v1.TransferLeadershipRequest');

/** See OperatorService.TransferLeadership. */
export interface TransferLeadershipResponse {

}
export interface TransferLeadershipResponseInput {

}
export const TransferLeadershipResponse = codec<TransferLeadershipResponse, TransferLeadershipResponseInput>('paceline.v1.TransferLeadershipResponse');

/** A node of the cluster. */
export interface StatusNode {
  readonly id: number;
  readonly address: string;
  /** Whether the answering node is connected to it. */
  readonly connected: boolean;
}
export interface StatusNodeInput {
  id?: number;
  address?: string;
  connected?: boolean;
}
export const StatusNode = codec<StatusNode, StatusNodeInput>('paceline.v1.StatusNode');

/** One replica. */
export interface StatusReplica {
  readonly partition: number;
  /** "leader", "candidate", "pre-candidate", "follower". */
  readonly role: string;
  readonly term: Long;
  /** Node id; 0 = none known. */
  readonly leader: number;
  readonly commit: Long;
  readonly applied: Long;
  readonly lastIndex: Long;
  readonly checkpoint: Long;
  /** True on a leader that applied an entry of its own term: it sequences. */
  readonly ready: boolean;
}
export interface StatusReplicaInput {
  partition?: number;
  role?: string;
  term?: Long | number;
  leader?: number;
  commit?: Long | number;
  applied?: Long | number;
  lastIndex?: Long | number;
  checkpoint?: Long | number;
  ready?: boolean;
}
export const StatusReplica = codec<StatusReplica, StatusReplicaInput>('paceline.v1.StatusReplica');

export const Lane = {
  LANE_UNSPECIFIED: 0,
  LANE_CONTROL: 1,
  LANE_DATA: 2,
} as const;

/** Who speaks: the first frame of a connection, answered by the same where it was judged good. Said again when `founding` becomes known. */
export interface PeerHello {
  /** Peer protocol version; another one is refused. */
  readonly version: number;
  readonly cluster: string;
  readonly node: number;
  /** The receiver's node id, as the sender understands it. */
  readonly to: number;
  /** 16 bytes, made once for each data directory. */
  readonly storeUuid: Uint8Array;
  /** The founding record (msgpackr) where the sender has it; empty = blank store. */
  readonly founding: Uint8Array;
  /** host:port where the sender listens. */
  readonly address: string;
  readonly partitionCount: number;
  readonly mapping: string;
  readonly lane: number;
}
export interface PeerHelloInput {
  version?: number;
  cluster?: string;
  node?: number;
  to?: number;
  storeUuid?: Uint8Array;
  founding?: Uint8Array;
  address?: string;
  partitionCount?: number;
  mapping?: string;
  lane?: number;
}
export const PeerHello = codec<PeerHello, PeerHelloInput>('paceline.peer.v1.PeerHello');
