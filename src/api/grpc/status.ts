// The one place where reasons become gRPC statuses. Unknown throws become INTERNAL; their text is
// logged, not sent.
import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import { detailsOf, type Reason, type Refusal } from '../../errors.ts';
import { encodeStatus } from '../../gen/google-rpc.ts';

const statusOf: Readonly<Record<Reason, status>> = {
  NOT_LEADER: status.UNAVAILABLE,
  NO_LEADER: status.UNAVAILABLE,
  STOPPING: status.UNAVAILABLE,
  UNREACHABLE: status.UNAVAILABLE,
  OUTCOME_UNKNOWN: status.UNAVAILABLE,
  EXPECTED_SEQ_MISMATCH: status.ABORTED,
  SENDER_GAP: status.FAILED_PRECONDITION,
  CHAIN_PASSED: status.FAILED_PRECONDITION,
  EPOCH_FENCED: status.FAILED_PRECONDITION,
  NOT_PENDING: status.FAILED_PRECONDITION,
  QUOTA: status.RESOURCE_EXHAUSTED,
  SESSION_ORDER: status.ABORTED,
  ATOMIC_BATCH: status.ABORTED,
  IDEMPOTENCY_MISMATCH: status.ALREADY_EXISTS,
  NOT_CAUGHT_UP: status.FAILED_PRECONDITION,
  TRIMMED: status.OUT_OF_RANGE,
  IN_FUTURE: status.OUT_OF_RANGE,
  BUSY: status.RESOURCE_EXHAUSTED,
  BAD_CONVERSATION: status.INVALID_ARGUMENT,
  BAD_SENDER: status.INVALID_ARGUMENT,
  BAD_KEY: status.INVALID_ARGUMENT,
  BAD_COMMAND: status.INVALID_ARGUMENT,
  BAD_REQUEST: status.INVALID_ARGUMENT,
  TOO_LARGE: status.INVALID_ARGUMENT,
  BATCH_TOO_LARGE: status.INVALID_ARGUMENT,
  NO_SUCH_PARTITION: status.INVALID_ARGUMENT,
  CORRUPT: status.DATA_LOSS,
  INTERNAL: status.INTERNAL,
};

export function toStatus(refusal: Refusal): StatusObject & Pick<ServiceError, 'name' | 'message'> {
  const code = statusOf[refusal.reason];
  const details = detailsOf(refusal);
  const facts = Object.entries(details).map(([name, value]) => [name, String(value)]);
  const info = { reason: refusal.reason, metadata: Object.fromEntries(facts) };
  const metadata = new Metadata();
  const encoded = encodeStatus(code, refusal.message, info, refusal.retryAfterMs ?? 0);
  metadata.set('grpc-status-details-bin', encoded);
  const text = `${refusal.reason}: ${refusal.message}`;
  return { code, details: text, metadata, name: refusal.reason, message: text };
}
