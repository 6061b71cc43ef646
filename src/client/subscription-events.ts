// What a subscription tells: messages, and the other events of a conversation, each with its place.
import {
  type ChatMessage,
  GapAction,
  OrderPolicy,
  PendingEnd,
  type SetPolicy,
} from '../gen/proto.ts';
import type { Policy } from './event-append.ts';
import { type Message, toMessage } from './message.ts';

/** Of every event but a message, which has its own. */
export interface EventPlace {
  readonly conversation: string;
  /** 1..n in its conversation, messages counted. */
  readonly rev: number;
  /** Log time, ms since 1970. */
  readonly timeMs: number;
  /** Raft index of its entry, and its place there: the order of a partition. */
  readonly index: number;
  readonly slot: number;
  /** Who did it; of a gap: whose messages are missing. */
  readonly sender: string;
}

/** An event of a conversation that is no message. */
export type ConversationEvent = EventPlace &
  (
    | {
        /** The sender's messages after `after` and before `before` are missing here. */
        readonly kind: 'gap';
        readonly device: string;
        readonly epoch: number;
        /** clientSeq of the last one stored; 0 = none. */
        readonly after: number;
        /** clientSeq of the next one stored. */
        readonly before: number;
      }
    | {
        /** The pending message `seq` is shown from now on. */
        readonly kind: 'released';
        readonly seq: number;
        /** null: it can no longer be read. */
        readonly message: Message | null;
      }
    | {
        /** The pending message `seq` is never shown. */
        readonly kind: 'rejected';
        readonly seq: number;
      }
    /** Absent in it: the default of the conversation's type. */
    | { readonly kind: 'policy'; readonly policy: Policy }
    /** In s:<user>: the device was registered and given this epoch. */
    | { readonly kind: 'device'; readonly device: string; readonly epoch: number }
    /** Of a kind that this version of the client does not know. */
    | { readonly kind: 'unknown' }
  );

export type SubscriptionEvent =
  | { readonly kind: 'message'; readonly message: Message }
  | ConversationEvent
  /** Once: everything that was there when it began has been seen. */
  | { readonly kind: 'caught-up' }
  /** Nothing was missed up to here. */
  | {
      readonly kind: 'progress';
      readonly seq: number;
      readonly rev: number;
      readonly index: number;
    }
  /** The place asked for is gone: what follows starts at `min`. */
  | { readonly kind: 'reset'; readonly min: number; readonly max: number };

/** Those that stand in the log; each costs a credit. */
export type StoredEvent = Exclude<
  SubscriptionEvent,
  { readonly kind: 'caught-up' | 'progress' | 'reset' }
>;

export function isStored(event: SubscriptionEvent): event is StoredEvent {
  return event.kind !== 'caught-up' && event.kind !== 'progress' && event.kind !== 'reset';
}

export function placeOf(event: StoredEvent): Pick<EventPlace, 'rev' | 'index' | 'slot'> {
  return event.kind === 'message' ? event.message : event;
}

/** Of the wire: a message, or whichever event its command is. */
export function toEvent(received: ChatMessage): StoredEvent {
  const { command } = received;
  if (received.seq.toNumber() > 0) return { kind: 'message', message: toMessage(received) };
  if (command === null) throw new TypeError('an event has its command');
  const place: EventPlace = {
    conversation: command.conversation,
    rev: received.rev.toNumber(),
    timeMs: received.timeMs.toNumber(),
    index: received.index.toNumber(),
    slot: received.slot,
    sender: command.sender,
  };
  const { gapMarker, release, reject, setPolicy, registerDevice } = command;
  if (gapMarker !== null) {
    const { device, epoch, after, before } = gapMarker;
    const gap = { epoch: epoch.toNumber(), after: after.toNumber(), before: before.toNumber() };
    return { ...place, kind: 'gap', device, ...gap };
  }
  if (release !== null) {
    const { subject } = received;
    const message = subject === null ? null : toMessage(subject);
    return { ...place, kind: 'released', seq: release.seq.toNumber(), message };
  }
  if (reject !== null) return { ...place, kind: 'rejected', seq: reject.seq.toNumber() };
  if (setPolicy !== null) return { ...place, kind: 'policy', policy: policyOf(setPolicy) };
  if (registerDevice !== null) {
    const { device } = registerDevice;
    return { ...place, kind: 'device', device, epoch: received.epoch.toNumber() };
  }
  return { ...place, kind: 'unknown' };
}

function policyOf(policy: SetPolicy): Policy {
  const { order, gapAction, gapWaitMs, pendingTtlMs, pendingEnd } = policy;
  const isRelease = pendingEnd === PendingEnd.PENDING_END_RELEASE;
  return {
    order: order === OrderPolicy.ORDER_POLICY_SERVER ? 'server' : 'sender',
    gapAction: gapActions.get(gapAction) ?? 'mark',
    ...(Object.hasOwn(policy, 'gapWaitMs') ? { gapWaitMs } : {}),
    ...(Object.hasOwn(policy, 'pendingTtlMs') ? { pendingTtlMs } : {}),
    pendingEnd: isRelease ? 'release' : 'reject',
  };
}

const gapActions = new Map<number, Policy['gapAction']>([
  [GapAction.GAP_ACTION_REJECT, 'reject'],
  [GapAction.GAP_ACTION_SKIP, 'skip'],
]);
