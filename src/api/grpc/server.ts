// grpc-js around the api: one wrapper for unary calls, one stream handler, nothing decided here.
import {
  type handleBidiStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from '@grpc/grpc-js';
import { InvariantError } from '../../assert.ts';
import { nodeStopping, PacelineError, type Refusal } from '../../errors.ts';
import type { Log } from '../../logger.ts';
import type { Node } from '../../node/node.ts';
import { type ServerStream, type StreamSink, streamPaths } from '../streams.ts';
import { createUnaryMethods, type UnaryMethod } from '../unary.ts';
import { createDoor, type PeerDoor } from './door.ts';
import { GrpcForwarder } from './forward.ts';
import { serveHealth } from './health.ts';
import { serveReflection } from './reflection.ts';
import { toStatus } from './status.ts';

/** The server's pings only find connections whose other end is gone, so they may be rare. */
const serverOptions = {
  'grpc.max_receive_message_length': 16 * 1024 * 1024,
  'grpc.max_send_message_length': 16 * 1024 * 1024,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
};

export interface ApiServer {
  /** The port bound. */
  listen(address: string): Promise<number>;
  close(): Promise<void>;
}

export function createApiServer(node: Node, peers: PeerDoor | null, log: Log): ApiServer {
  const server = new Server(serverOptions);
  const grpc = server.createConnectionInjector(ServerCredentials.createInsecure());
  const door = createDoor((socket) => grpc.injectConnection(socket), peers);
  const forwarder = new GrpcForwarder();
  const streams = new Set<Fail>();
  for (const method of createUnaryMethods(node, forwarder)) {
    const definition = { ...bidiDefinition(method.path), requestStream: false };
    const call = { ...definition, responseStream: false };
    server.addService({ call }, { call: unaryHandler(method, log) });
  }
  for (const [path, open] of streamPaths) {
    const handler = streamHandler((sink) => open(node, sink), streams, log);
    server.addService({ stream: bidiDefinition(path) }, { stream: handler });
  }
  serveHealth(server, node);
  serveReflection(server);
  return {
    listen: (address) => door.listen(address),
    close: async () => {
      forwarder.close();
      door.close();
      // By name: cut off, their callers would only hear that they were cancelled.
      for (const fail of [...streams]) fail(nodeStopping);
      await shutDown(server);
    },
  };
}

/** Every throw becomes a status here. */
function unaryHandler(method: UnaryMethod, log: Log): handleUnaryCall<Buffer, Buffer> {
  return (call, callback) => {
    method.answer(call.request).then(
      (response) => callback(null, response),
      (error: unknown) => callback(toStatus(refusalOf(error, log))),
    );
  };
}

function refusalOf(error: unknown, log: Log): Refusal {
  if (error instanceof PacelineError) return error;
  log('internal error', { error: error instanceof Error ? error.stack : String(error) }, 'warn');
  return { reason: 'INTERNAL', message: 'internal error, logged by the node' };
}

type Fail = (refusal: Refusal) => void;

/** What is thrown ends the stream alone, unless the node may no longer keep its promises. */
function streamHandler(
  open: (sink: StreamSink) => ServerStream,
  streams: Set<Fail>,
  log: Log,
): handleBidiStreamingCall<Buffer, Buffer> {
  return (call: ServerDuplexStream<Buffer, Buffer>) => {
    let isOpen = true;
    const fail: Fail = (refusal) => {
      isOpen = false;
      call.emit('error', toStatus(refusal));
    };
    streams.add(fail);
    const stream = open({
      write: (response) => call.write(response),
      pause: () => call.pause(),
      resume: () => call.resume(),
      end: () => {
        streams.delete(fail);
        call.end();
      },
      fail: (error) => fail(refusalOf(error, log)),
    });
    call.on('drain', () => stream.drained());
    call.on('data', (bytes: Buffer) => {
      // It came before its sender could hear that the stream has ended: nothing behind the end counts.
      if (!isOpen) return;
      try {
        stream.take(bytes);
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        fail(refusalOf(error, log));
      }
    });
    call.on('end', () => {
      if (isOpen) stream.endOfRequests();
    });
    const close = () => {
      isOpen = false;
      streams.delete(fail);
      stream.close();
    };
    call.on('error', close);
    call.on('cancelled', close);
  };
}

function bidiDefinition(path: string): MethodDefinition<Buffer, Buffer> {
  const identity = (bytes: Buffer) => bytes;
  return {
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  };
}

/** Lets calls in flight end for a moment, then ends them. */
function shutDown(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const forced = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, 200);
    server.tryShutdown(() => {
      clearTimeout(forced);
      resolve();
    });
  });
}
