// What a caller can act on: one closed set of reasons. They become gRPC statuses in one file
// (api/grpc/status.ts). Broken invariants are assertions, expected outcomes inside are values.

export const reasons = [
  'NOT_LEADER',
  'NO_LEADER',
  'STOPPING',
  'UNREACHABLE',
  'OUTCOME_UNKNOWN',
  'EXPECTED_SEQ_MISMATCH',
  'SENDER_GAP',
  'CHAIN_PASSED',
  'EPOCH_FENCED',
  'NOT_PENDING',
  'QUOTA',
  'SESSION_ORDER',
  'ATOMIC_BATCH',
  'IDEMPOTENCY_MISMATCH',
  'NOT_CAUGHT_UP',
  'TRIMMED',
  'IN_FUTURE',
  'BUSY',
  'BAD_CONVERSATION',
  'BAD_SENDER',
  'BAD_KEY',
  'BAD_COMMAND',
  'BAD_REQUEST',
  'TOO_LARGE',
  'BATCH_TOO_LARGE',
  'NO_SUCH_PARTITION',
  'CORRUPT',
  'INTERNAL',
] as const;
export type Reason = (typeof reasons)[number];

/** Facts that travel with a reason; each is set only where it helps the caller. */
export interface ErrorDetails {
  /** The offending field, as named in the proto, such as "body" or "commands[3].key". */
  readonly field?: string;
  readonly limit?: number;
  /** What the server has: the head seq, the original seq. */
  readonly actual?: number;
  /** SENDER_GAP: the client_seq that is missing. */
  readonly want?: number;
  /** The oldest and newest that can be had instead. */
  readonly min?: number;
  readonly max?: number;
  /** Node id of the leader, where known. */
  readonly leader?: number;
  readonly leaderAddress?: string;
  readonly retryAfterMs?: number;
}

/** An expected failure as a value; `PacelineError` is the same, thrown. */
export interface Refusal extends ErrorDetails {
  readonly reason: Reason;
  /** For people; never holds a body, a key or a user's id. */
  readonly message: string;
}

/** Of a node that stops: whatever waits there, or comes, ends with it. */
export const nodeStopping: Refusal = { reason: 'STOPPING', message: 'this node is stopping' };

export class PacelineError extends Error implements Refusal {
  override readonly name = 'PacelineError';
  readonly reason: Reason;
  // Declared, not defined: what is absent is not printed either.
  declare readonly field?: string;
  declare readonly limit?: number;
  declare readonly actual?: number;
  declare readonly want?: number;
  declare readonly min?: number;
  declare readonly max?: number;
  declare readonly leader?: number;
  declare readonly leaderAddress?: string;
  declare readonly retryAfterMs?: number;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.reason = refusal.reason;
    copyDetails(refusal, this);
  }
}

export function detailsOf(refusal: Refusal): ErrorDetails {
  const details: Details = {};
  copyDetails(refusal, details);
  return details;
}

type Details = { -readonly [Name in keyof ErrorDetails]: ErrorDetails[Name] };

/** One by one: refusals are many, and spreads of all that may be set cost several times as much. */
function copyDetails(from: ErrorDetails, to: Details): void {
  if (from.field !== undefined) to.field = from.field;
  if (from.limit !== undefined) to.limit = from.limit;
  if (from.actual !== undefined) to.actual = from.actual;
  if (from.want !== undefined) to.want = from.want;
  if (from.min !== undefined) to.min = from.min;
  if (from.max !== undefined) to.max = from.max;
  if (from.leader !== undefined) to.leader = from.leader;
  if (from.leaderAddress !== undefined) to.leaderAddress = from.leaderAddress;
  if (from.retryAfterMs !== undefined) to.retryAfterMs = from.retryAfterMs;
}

const numberDetails = [
  'limit',
  'actual',
  'want',
  'min',
  'max',
  'leader',
  'retryAfterMs',
] as const satisfies readonly (keyof ErrorDetails)[];

/** A refusal from its parts as another process sent them; an unknown reason reads as INTERNAL. */
export function refusalFrom(
  reason: string,
  message: string,
  facts: Readonly<Record<string, string>>,
): Refusal {
  const known = reasons.find((each) => each === reason) ?? 'INTERNAL';
  const { field, leaderAddress } = facts;
  const details: Details = {};
  if (field) details.field = field;
  if (leaderAddress) details.leaderAddress = leaderAddress;
  for (const name of numberDetails) {
    const text = facts[name];
    const value = Number(text);
    if (text !== undefined && Number.isFinite(value)) details[name] = value;
  }
  return { reason: known, message, ...details };
}
