// What a conversation has beside its messages: its policy, and how many device epochs it gave. Rides in
// the head row, so that it costs no read of its own.
import type { Policy } from '../command-event.ts';

export interface ConversationExtra {
  /** null: all defaults. */
  readonly policy: Policy | null;
  /** Device epochs given so far (s:<user> only). */
  readonly epochs: number;
}

export const noExtra: ConversationExtra = { policy: null, epochs: 0 };

export interface EffectivePolicy {
  readonly chainsCount: boolean;
  readonly gapAction: 'mark' | 'reject' | 'skip';
  readonly gapWaitMs: number;
  readonly pendingTtlMs: number;
  readonly pendingEnd: 'reject' | 'release';
}

const server = 2;
const actions = ['mark', 'mark', 'reject', 'skip'] as const;
const release = 2;
/** A pair, or one's own: who waits is waited for. */
const personal = /^(?:t[^/]+\/)?[ps]:/;

export function policyOf(conversation: string, policy: Policy | null): EffectivePolicy {
  return {
    chainsCount: policy?.order !== server,
    gapAction: actions[policy?.gapAction ?? 0] ?? 'mark',
    gapWaitMs: policy?.gapWaitMs ?? (personal.test(conversation) ? 2000 : 500),
    pendingTtlMs: policy?.pendingTtlMs ?? 60_000,
    pendingEnd: policy?.pendingEnd === release ? 'release' : 'reject',
  };
}

export function packConversation({ policy, epochs }: ConversationExtra): unknown[] {
  return [packPolicy(policy), epochs];
}

/** null: no such field. */
export function unpackConversation(field: unknown): ConversationExtra | null {
  if (!Array.isArray(field)) return null;
  const [policy, epochs]: unknown[] = field;
  return { policy: unpackPolicy(policy), epochs: Number(epochs) };
}

function packPolicy(policy: Policy | null): unknown[] | null {
  if (policy === null) return null;
  const { order, gapAction, gapWaitMs, pendingTtlMs, pendingEnd } = policy;
  return [order, gapAction, gapWaitMs, pendingTtlMs, pendingEnd];
}

function unpackPolicy(field: unknown): Policy | null {
  if (!Array.isArray(field)) return null;
  const [order, gapAction, gapWaitMs, pendingTtlMs, pendingEnd]: unknown[] = field;
  return {
    order: Number(order),
    gapAction: Number(gapAction),
    gapWaitMs: typeof gapWaitMs === 'number' ? gapWaitMs : null,
    pendingTtlMs: typeof pendingTtlMs === 'number' ? pendingTtlMs : null,
    pendingEnd: Number(pendingEnd),
  };
}
