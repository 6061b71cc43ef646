// What the client is given: a way to reach nodes, time and chance. Real over gRPC, faked in the lab.
import type { Codec } from '../gen/codec.ts';

export interface SessionEvents {
  /** An AppendSessionResponse. */
  onResponse(bytes: Buffer): void;
  /** The stream is gone; what was not answered has an unknown outcome. Called once. */
  onEnd(reason: string): void;
}

export interface SessionStream {
  send(frame: Buffer): void;
  close(): void;
}

export interface Rpc<Request, RequestInput, Response, ResponseInput> {
  readonly path: string;
  readonly request: Codec<Request, RequestInput>;
  readonly response: Codec<Response, ResponseInput>;
}

export interface ClientTransport {
  openSession(address: string, events: SessionEvents): SessionStream;
  /** Rejects with PacelineError; UNREACHABLE where the server was not reached in time. */
  call<Request, RequestInput, Response, ResponseInput>(
    address: string,
    rpc: Rpc<Request, RequestInput, Response, ResponseInput>,
    request: RequestInput,
    timeoutMs: number,
  ): Promise<Response>;
  close(): void;
}
