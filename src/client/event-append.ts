// What callers may do to a conversation beside appending messages; each is an append of its own kind:
// keyed, retried and stored once.
import {
  type AppendCommandInput,
  GapAction,
  OrderPolicy,
  PendingEnd,
  type SetPolicyInput,
} from '../gen/proto.ts';

/** What is absent is the default of the conversation's type. */
export interface Policy {
  /** sender: each sender's messages in the order of its chain (default); server: as they arrive. */
  readonly order?: 'sender' | 'server';
  /** What ends the wait for a missing predecessor: mark (default), reject or skip. */
  readonly gapAction?: 'mark' | 'reject' | 'skip';
  /** 0 to 60,000; where absent, 2,000 in p: and s:, 500 in all others. */
  readonly gapWaitMs?: number;
  /** 100 to 86,400,000; 60,000. */
  readonly pendingTtlMs?: number;
  /** What becomes of a pending message that nobody ended by then: reject (default) or release. */
  readonly pendingEnd?: 'reject' | 'release';
}

/** An event instead of a message. */
export interface EventAppend {
  readonly conversation: string;
  /** 1 to 128 bytes: who does it. */
  readonly sender: string;
  readonly key?: string;
  readonly event: Event;
}

export type Event =
  | { readonly kind: 'policy'; readonly policy: Policy }
  | { readonly kind: 'release' | 'reject'; readonly seq: number }
  | { readonly kind: 'device'; readonly device: string };

/** The words of a policy, as the wire has them. */
export const policyWords = {
  order: {
    sender: OrderPolicy.ORDER_POLICY_SENDER_FIFO,
    server: OrderPolicy.ORDER_POLICY_SERVER,
  },
  gapAction: {
    mark: GapAction.GAP_ACTION_MARK,
    reject: GapAction.GAP_ACTION_REJECT,
    skip: GapAction.GAP_ACTION_SKIP,
  },
  pendingEnd: {
    reject: PendingEnd.PENDING_END_REJECT,
    release: PendingEnd.PENDING_END_RELEASE,
  },
} as const;

export function eventInput(event: Event): AppendCommandInput {
  switch (event.kind) {
    case 'policy':
      return { setPolicy: policyInput(event.policy) };
    case 'release':
      return { release: { seq: event.seq } };
    case 'reject':
      return { reject: { seq: event.seq } };
    case 'device':
      return { registerDevice: { device: event.device } };
  }
}

function policyInput(policy: Policy): SetPolicyInput {
  const { order, gapAction, gapWaitMs, pendingTtlMs, pendingEnd } = policy;
  const input: SetPolicyInput = {};
  if (order !== undefined) input.order = policyWords.order[order];
  if (gapAction !== undefined) input.gapAction = policyWords.gapAction[gapAction];
  if (gapWaitMs !== undefined) input.gapWaitMs = gapWaitMs;
  if (pendingTtlMs !== undefined) input.pendingTtlMs = pendingTtlMs;
  if (pendingEnd !== undefined) input.pendingEnd = policyWords.pendingEnd[pendingEnd];
  return input;
}
