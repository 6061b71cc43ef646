// grpc-js around the api: one wrapper for unary calls, one stream handler, nothing decided here.
import {
  type handleBidiStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerOptions,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { PacelineError, type Refusal } from '../../errors.ts';
import type { Codec } from '../../gen/codec.ts';
import { appendSessionPath, rpcs, subscribePath } from '../../gen/services.ts';
import type { Node } from '../../node/node.ts';
import { AppendSession } from '../append-session.ts';
import { transferLeadership } from '../operator.ts';
import { heads, partitionMap, read, status } from '../queries.ts';
import { Subscription } from '../subscription.ts';
import { serveHealth } from './health.ts';
import { serveReflection } from './reflection.ts';
import { toStatus } from './status.ts';
import { UnaryAppends } from './unary-append.ts';

type Log = (event: string, facts: Readonly<Record<string, unknown>>) => void;

/** Services that share the node's one port, such as the one for peers. */
export interface ExtraService {
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
}

export interface ApiServer {
  /** The port bound. */
  listen(address: string): Promise<number>;
  close(): Promise<void>;
}

export function createApiServer(
  node: Node,
  extra: readonly ExtraService[],
  options: ServerOptions,
  log: Log,
): ApiServer {
  const server = new Server(options);
  const unaryAppends = new UnaryAppends(node);
  const unary = {
    append: unaryHandler(rpcs.append, (request) => unaryAppends.append(request), log),
    read: unaryHandler(rpcs.read, (request) => read(node, request), log),
    batchGetHeads: unaryHandler(rpcs.batchGetHeads, (request) => heads(node, request), log),
    getPartitionMap: unaryHandler(rpcs.getPartitionMap, async () => partitionMap(node), log),
    getStatus: unaryHandler(rpcs.getStatus, async () => status(node), log),
    transferLeadership: unaryHandler(
      rpcs.transferLeadership,
      (request) => transferLeadership(node, request),
      log,
    ),
  };
  for (const [name, { definition, handler }] of Object.entries(unary)) {
    server.addService({ [name]: definition }, { [name]: handler });
  }
  const session = bidiDefinition(appendSessionPath);
  server.addService({ session }, { session: sessionHandler(node) });
  const subscribe = bidiDefinition(subscribePath);
  server.addService({ subscribe }, { subscribe: subscribeHandler(node) });
  for (const { definition, handlers } of extra) server.addService(definition, handlers);
  const health = serveHealth(server, node);
  serveReflection(server);
  return {
    listen: (address) => listen(server, address),
    close: async () => {
      health.stop();
      unaryAppends.close();
      await shutDown(server);
    },
  };
}

interface UnaryRpc<Request, RequestInput, Response, ResponseInput> {
  readonly path: string;
  readonly request: Codec<Request, RequestInput>;
  readonly response: Codec<Response, ResponseInput>;
}

/** Decode, ask, encode; every throw becomes a status here. */
function unaryHandler<Request, RequestInput, Response, ResponseInput>(
  rpc: UnaryRpc<Request, RequestInput, Response, ResponseInput>,
  answer: (request: Request) => Promise<ResponseInput>,
  log: Log,
): { definition: MethodDefinition<Buffer, Buffer>; handler: handleUnaryCall<Buffer, Buffer> } {
  const definition = { ...bidiDefinition(rpc.path), requestStream: false, responseStream: false };
  const handler: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
    const work = async () => rpc.response.encode(await answer(decode(rpc.request, call.request)));
    work().then(
      (response) => callback(null, response),
      (error: unknown) => callback(toStatus(refusalOf(error, log))),
    );
  };
  return { definition, handler };
}

function decode<Request, Input>(codec: Codec<Request, Input>, bytes: Buffer): Request {
  try {
    return codec.decode(bytes);
  } catch {
    const message = 'the request is not the message this rpc takes';
    throw new PacelineError({ reason: 'BAD_REQUEST', field: 'request', message });
  }
}

function refusalOf(error: unknown, log: Log): Refusal {
  if (error instanceof PacelineError) return error;
  log('internal error', { error: error instanceof Error ? error.stack : String(error) });
  return { reason: 'INTERNAL', message: 'internal error, logged by the node' };
}

function sessionHandler(node: Node): handleBidiStreamingCall<Buffer, Buffer> {
  return (call: ServerDuplexStream<Buffer, Buffer>) => {
    let open = true;
    const session = new AppendSession(node, (response) => {
      // A client that does not read its answers is not read from.
      if (open && !call.write(response)) call.pause();
    });
    call.on('drain', () => call.resume());
    call.on('data', (bytes: Buffer) => {
      try {
        session.take(bytes);
      } catch (error) {
        if (!(error instanceof PacelineError)) throw error;
        call.emit('error', toStatus(error));
      }
    });
    call.on('end', () => session.finish(() => call.end()));
    const close = () => {
      open = false;
    };
    call.on('error', close);
    call.on('cancelled', close);
  };
}

function subscribeHandler(node: Node): handleBidiStreamingCall<Buffer, Buffer> {
  return (call: ServerDuplexStream<Buffer, Buffer>) => {
    const subscription = new Subscription(node, {
      write: (response) => call.write(response),
      fail: (error) => call.emit('error', toStatus(error)),
    });
    call.on('drain', () => subscription.resume());
    call.on('data', (bytes: Buffer) => {
      try {
        subscription.take(bytes);
      } catch (error) {
        if (!(error instanceof PacelineError)) throw error;
        subscription.close();
        call.emit('error', toStatus(error));
      }
    });
    const close = () => subscription.close();
    call.on('end', () => subscription.endOfRequests());
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

function listen(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
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
