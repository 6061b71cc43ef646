// What the client is given: a way to reach nodes, time and chance. Real over gRPC, faked in the lab.
import type { Clock } from '../clock.ts';
import { PacelineError } from '../errors.ts';
import type { Codec } from '../gen/codec.ts';

export interface StreamEvents {
  /** A response message. */
  onResponse(bytes: Buffer): void;
  /** The stream is gone: with Paceline's refusal where it sent one. Called once. */
  onEnd(error: PacelineError): void;
}

export interface Stream {
  send(request: Buffer): void;
  /** onEnd is not called any more. */
  close(): void;
}

export interface Rpc<Request, RequestInput, Response, ResponseInput> {
  readonly path: string;
  readonly request: Codec<Request, RequestInput>;
  readonly response: Codec<Response, ResponseInput>;
}

export interface ClientTransport {
  openStream(address: string, path: string, events: StreamEvents): Stream;
  /** Rejects with PacelineError; UNREACHABLE where the server was not reached in time. */
  call<Request, RequestInput, Response, ResponseInput>(
    address: string,
    rpc: Rpc<Request, RequestInput, Response, ResponseInput>,
    request: RequestInput,
    timeoutMs: number,
  ): Promise<Response>;
  close(): void;
}

export interface ClientOptions {
  /** host:port of one node at least; the others are learned. */
  readonly servers: readonly string[];
  readonly transport: ClientTransport;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Names this client in the keys it makes: unique among all clients; `connect` makes 14 random characters. */
  readonly clientId: string;
  /** An append ends after this at the latest; 30 s where not given. */
  readonly appendTimeoutMs?: number;
  /** A read ends after this at the latest; 10 s where not given. */
  readonly readTimeoutMs?: number;
  /** Bytes of appends that may wait for their answer; 16 MiB where not given. */
  readonly bufferBytesMax?: number;
  /** What an append does beyond that: wait for room (default), or end with BUSY at once. */
  readonly whenFull?: 'wait' | 'refuse';
}

/** Reasons after which the same may be tried again, here or at another node. */
export const retryable: ReadonlySet<string> = new Set([
  'NOT_LEADER',
  'NO_LEADER',
  'BUSY',
  'STOPPING',
  'UNREACHABLE',
  'OUTCOME_UNKNOWN',
  'SESSION_ORDER',
]);

/** What one node cannot answer another one may: it is behind, or its copy is damaged. */
export function mayBeRightElsewhere({ reason }: PacelineError): boolean {
  return retryable.has(reason) || reason === 'NOT_CAUGHT_UP' || reason === 'CORRUPT';
}

export function closedError(): PacelineError {
  return new PacelineError({ reason: 'STOPPING', message: 'the client is closed' });
}
