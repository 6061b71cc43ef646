// Outcomes as the wire has them.
import Long from 'long';
import { detailsOf, type Refusal } from '../errors.ts';
import type { AppendErrorInput, AppendResultInput } from '../gen/proto.ts';
import type { Outcome } from '../node/groups.ts';
import type { Node } from '../node/node.ts';
import { composeIdHalves } from '../order/ids.ts';
import type { Stored } from '../order/sequencer.ts';
import { encodeToken } from './read-token.ts';

/** `tokens`: those already made for this answer, by index; an entry's commands share one. */
export function resultOf(
  node: Node,
  outcome: Outcome,
  tokens: Map<number, Buffer> = new Map(),
): AppendResultInput {
  if (outcome.kind === 'refused') return { error: errorOf(outcome.refusal) };
  if (outcome.kind === 'held') return { held: { resendFrom: outcome.last, want: outcome.want } };
  let readToken = tokens.get(outcome.index);
  if (readToken === undefined) {
    readToken = encodeToken(node, node.partitionOf(outcome.shard), outcome.index);
    tokens.set(outcome.index, readToken);
  }
  const { windowMs } = node.config.cluster.dedupe;
  const result: AppendResultInput = {
    seq: outcome.seq,
    rev: outcome.rev,
    id: idOf(outcome),
    timeMs: outcome.timeMs,
    index: outcome.index,
    term: outcome.term,
    dedupeUntilMs: outcome.timeMs + windowMs,
    readToken,
  };
  if (outcome.duplicate) result.duplicate = true;
  if (outcome.epoch > 0) result.epoch = outcome.epoch;
  if (outcome.lateFor !== null) {
    result.late = true;
    if (outcome.lateFor > 0) result.lateFor = outcome.lateFor;
  }
  return result;
}

type Id = Pick<Stored, 'idMs' | 'shard' | 'idCounter'>;

export function idOf({ idMs, shard, idCounter }: Id): Long {
  const [low, high] = composeIdHalves(idMs, shard, idCounter);
  return Long.fromBits(low, high, true);
}

function errorOf(refusal: Refusal): AppendErrorInput {
  return { reason: refusal.reason, message: refusal.message, ...detailsOf(refusal) };
}
