// The three messages of google.rpc that carry error details in `grpc-status-details-bin`; field numbers
// as published there.
import protobuf from 'protobufjs/light.js';
import { type Refusal, refusalFrom } from '../errors.ts';

const root = protobuf.Root.fromJSON({
  nested: {
    Any: {
      fields: { typeUrl: { type: 'string', id: 1 }, value: { type: 'bytes', id: 2 } },
    },
    Status: {
      fields: {
        code: { type: 'int32', id: 1 },
        message: { type: 'string', id: 2 },
        details: { rule: 'repeated', type: 'Any', id: 3 },
      },
    },
    ErrorInfo: {
      fields: {
        reason: { type: 'string', id: 1 },
        domain: { type: 'string', id: 2 },
        metadata: { rule: 'repeated', type: 'Entry', id: 3 },
      },
    },
    // A map<string, string> has this form on the wire.
    Entry: { fields: { key: { type: 'string', id: 1 }, value: { type: 'string', id: 2 } } },
    Duration: {
      fields: { seconds: { type: 'int64', id: 1 }, nanos: { type: 'int32', id: 2 } },
    },
    RetryInfo: { fields: { retryDelay: { type: 'Duration', id: 1 } } },
  },
});

const domain = 'paceline';
const errorInfoUrl = 'type.googleapis.com/google.rpc.ErrorInfo';
const retryInfoUrl = 'type.googleapis.com/google.rpc.RetryInfo';
const type = (name: string) => root.lookupType(name);

interface ErrorInfo {
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** google.rpc.Status with ErrorInfo and, where `retryAfterMs` > 0, RetryInfo. */
export function encodeStatus(
  code: number,
  message: string,
  info: ErrorInfo,
  retryAfterMs: number,
): Buffer {
  const metadata = Object.entries(info.metadata).map(([key, value]) => ({ key, value }));
  const errorInfo = encode('ErrorInfo', { reason: info.reason, domain, metadata });
  const details = [{ typeUrl: errorInfoUrl, value: errorInfo }];
  if (retryAfterMs > 0) {
    const seconds = Math.floor(retryAfterMs / 1000);
    const nanos = (retryAfterMs % 1000) * 1_000_000;
    const value = encode('RetryInfo', { retryDelay: { seconds, nanos } });
    details.push({ typeUrl: retryInfoUrl, value });
  }
  return encode('Status', { code, message, details });
}

/** A gRPC status as both ends of grpc-js have it. */
interface StatusLike {
  readonly details: string;
  readonly metadata: { get(key: string): readonly unknown[] };
}

/** The refusal that Paceline sent with a status; null: the status is gRPC's own. */
export function sentRefusal({ details, metadata }: StatusLike): Refusal | null {
  const [bytes] = metadata.get('grpc-status-details-bin');
  const info = bytes instanceof Uint8Array ? decodeErrorInfo(bytes) : null;
  if (info === null) return null;
  return refusalFrom(info.reason, details.replace(`${info.reason}: `, ''), info.metadata);
}

/** null where the bytes hold no ErrorInfo of Paceline's. */
function decodeErrorInfo(bytes: Uint8Array): ErrorInfo | null {
  const status = decode('Status', bytes);
  for (const detail of status['details']) {
    if (detail.typeUrl !== errorInfoUrl) continue;
    const info = decode('ErrorInfo', detail.value);
    if (info['domain'] !== domain) continue;
    const metadata: Record<string, string> = {};
    for (const { key, value } of info['metadata']) metadata[key] = value;
    return { reason: info['reason'], metadata };
  }
  return null;
}

function decode(name: string, bytes: Uint8Array) {
  return type(name).toObject(type(name).decode(bytes), { arrays: true, defaults: true });
}

function encode(name: string, message: object): Buffer {
  return Buffer.from(type(name).encode(type(name).fromObject(message)).finish());
}
