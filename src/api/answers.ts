// Outcomes as the wire has them.
import Long from 'long';
import { detailsOf, type Refusal } from '../errors.ts';
import type { AppendErrorInput, AppendResultInput } from '../gen/proto.ts';
import type { Outcome, Stored } from '../node/groups.ts';
import { composeIdHalves } from '../order/ids.ts';

export function resultOf(outcome: Outcome, dedupeWindowMs: number): AppendResultInput {
  if (outcome.kind === 'refused') return { error: errorOf(outcome.refusal) };
  const result: AppendResultInput = {
    seq: outcome.seq,
    rev: outcome.rev,
    id: idOf(outcome),
    timeMs: outcome.timeMs,
    index: outcome.index,
    term: outcome.term,
    dedupeUntilMs: outcome.timeMs + dedupeWindowMs,
  };
  if (outcome.duplicate) result.duplicate = true;
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
