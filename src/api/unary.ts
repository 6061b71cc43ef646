// The unary rpcs: decode the request, ask the node, encode the answer. Knows no gRPC.
import { PacelineError, type Refusal } from '../errors.ts';
import type { Codec } from '../gen/codec.ts';
import { rpcs } from '../gen/services.ts';
import type { Node } from '../node/node.ts';
import { transferLeadership } from './operator.ts';
import { heads, partitionMap, read, status } from './queries.ts';
import { type Forwarder, readRequest, UnaryAppends } from './unary-append.ts';

export interface UnaryMethod {
  readonly path: string;
  /** Rejects with PacelineError where the caller is to be told why. */
  answer(request: Buffer): Promise<Buffer>;
}

export function createUnaryMethods(node: Node, forwarder: Forwarder): readonly UnaryMethod[] {
  const appends = new UnaryAppends(node, forwarder);
  return [
    {
      path: rpcs.append.path,
      answer: async (request) => appends.append(decode(readRequest, request)),
    },
    method(rpcs.read, (request) => read(node, request)),
    method(rpcs.batchGetHeads, (request) => heads(node, request)),
    method(rpcs.getPartitionMap, async () => partitionMap(node)),
    method(rpcs.getStatus, async () => status(node)),
    method(rpcs.transferLeadership, (request) => transferLeadership(node, request)),
  ];
}

/** More than any that is taken needs; to decode one of as many names as gRPC lets in holds up the node. */
const requestBytesMax = 1024 * 1024;
const requestTooLarge: Refusal = {
  reason: 'BAD_REQUEST',
  field: 'request',
  limit: requestBytesMax,
  message: `the request has more than ${requestBytesMax} bytes, the limit`,
};

interface UnaryRpc<Request, RequestInput, Response, ResponseInput> {
  readonly path: string;
  readonly request: Codec<Request, RequestInput>;
  readonly response: Codec<Response, ResponseInput>;
}

function method<Request, RequestInput, Response, ResponseInput>(
  rpc: UnaryRpc<Request, RequestInput, Response, ResponseInput>,
  answer: (request: Request) => Promise<ResponseInput>,
): UnaryMethod {
  return {
    path: rpc.path,
    answer: async (request) => {
      if (request.length > requestBytesMax) throw new PacelineError(requestTooLarge);
      return rpc.response.encode(await answer(decode(rpc.request.decode, request)));
    },
  };
}

function decode<Request>(read: (bytes: Buffer) => Request, bytes: Buffer): Request {
  try {
    return read(bytes);
  } catch {
    const message = 'the request is not the message this rpc takes';
    throw new PacelineError({ reason: 'BAD_REQUEST', field: 'request', message });
  }
}
