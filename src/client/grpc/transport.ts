// The client's way to nodes over grpc-js: a channel an address, kept.
import { Client, connectivityState, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { PacelineError, type Refusal } from '../../errors.ts';
import { sentRefusal } from '../../gen/google-rpc.ts';
import type { ClientTransport, Rpc, Stream, StreamEvents } from '../types.ts';

const channelOptions = {
  'grpc.max_receive_message_length': 16 * 1024 * 1024,
  'grpc.max_send_message_length': 16 * 1024 * 1024,
  'grpc.keepalive_time_ms': 2000,
  'grpc.keepalive_timeout_ms': 2000,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 500,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
} as const;

/** What grpc-js cannot say on the wire it would throw where nobody catches it. */
const deadlineMaxMs = 24 * 60 * 60 * 1000;

const identity = (bytes: Buffer) => bytes;

/** grpc-js waits for a node that takes connections and says nothing, such as a stopped process, for 20 s. */
const connectTimeoutDefaultMs = 4000;

/** A stream without a connection after `connectTimeoutMs` ends with UNREACHABLE. */
export function createGrpcClientTransport(
  connectTimeoutMs = connectTimeoutDefaultMs,
): ClientTransport {
  const channels = new Map<string, Client>();
  const channel = (address: string) => {
    let found = channels.get(address);
    if (found === undefined) {
      found = new Client(address, credentials.createInsecure(), channelOptions);
      channels.set(address, found);
    }
    return found;
  };
  return {
    openStream: (address, path, events) =>
      openStream(channel(address), path, events, connectTimeoutMs),
    call: (address, rpc, request, timeoutMs) => call(channel(address), rpc, request, timeoutMs),
    close: () => {
      for (const each of channels.values()) each.close();
      channels.clear();
    },
  };
}

function openStream(
  client: Client,
  path: string,
  events: StreamEvents,
  connectTimeoutMs: number,
): Stream {
  const stream = client.makeBidiStreamRequest(path, identity, identity);
  let ended = false;
  const over = () => {
    ended = true;
    clearTimeout(connecting);
  };
  const end = (refusal: Refusal) => {
    if (ended) return;
    over();
    events.onEnd(new PacelineError(refusal));
  };
  const connecting = setTimeout(() => {
    if (client.getChannel().getConnectivityState(false) === connectivityState.READY) return;
    end({ reason: 'UNREACHABLE', message: `no connection within ${connectTimeoutMs} ms` });
    stream.cancel();
  }, connectTimeoutMs);
  stream.on('data', (bytes: Buffer) => {
    if (!ended) events.onResponse(bytes);
  });
  stream.on('error', (error: ServiceError) => end(refusalOfCall(error)));
  stream.on('end', () => end({ reason: 'UNREACHABLE', message: 'the node ended the stream' }));
  return {
    send: (request) => {
      if (!ended) stream.write(request);
    },
    close: () => {
      over();
      stream.cancel();
    },
  };
}

function call<Request, RequestInput, Response, ResponseInput>(
  client: Client,
  rpc: Rpc<Request, RequestInput, Response, ResponseInput>,
  request: RequestInput,
  timeoutMs: number,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      rpc.path,
      identity,
      (bytes: Buffer) => rpc.response.decode(bytes),
      rpc.request.encode(request),
      { deadline: Date.now() + Math.min(timeoutMs, deadlineMaxMs) },
      (error: ServiceError | null, response?: Response) => {
        if (error === null && response !== undefined) resolve(response);
        else reject(new PacelineError(error === null ? noAnswer : refusalOfCall(error)));
      },
    );
  });
}

const noAnswer: Refusal = { reason: 'UNREACHABLE', message: 'the server sent no answer' };

/** CANCELLED is said by a node that stops: who cancels a call here hears no more of it. */
const unreached: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
]);

/** Paceline's own refusal where it sent one; else the server was not reached. */
function refusalOfCall(error: ServiceError): Refusal {
  const { code, details } = error;
  const sent = sentRefusal(error);
  if (sent !== null) return sent;
  if (unreached.has(code)) return { reason: 'UNREACHABLE', message: lastError(details) };
  return { reason: 'INTERNAL', message: details };
}

/**
 * grpc-js wraps the cause: "No connection established. Last error: CAUSE. Resolution note: "; null where
 * the connection failed earlier, by another channel, and is not tried again yet.
 */
function lastError(details: string | null): string {
  if (details === null) return 'no connection, and it is too early to try again';
  const cause = /Last error: (?:Error: )?(.*?)\.? Resolution note/.exec(details);
  return cause?.[1] ?? details;
}
