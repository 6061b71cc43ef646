// The api's rpcs over the lab's network: the client's end, and the node's end around the same methods and
// streams that gRPC carries. A connection a call; a refusal travels as it is.

import { type ServerStream, streamPaths } from '../api/streams.ts';
import type { UnaryMethod } from '../api/unary.ts';
import { type Forwarder, forwardRefusals } from '../api/unary-append.ts';
import type { ClientTransport, Rpc, Stream, StreamEvents } from '../client/types.ts';
import { PacelineError, type Refusal } from '../errors.ts';
import { rawAppend } from '../gen/services.ts';
import type { Node } from '../node/node.ts';
import type { Machine } from './machine.ts';
import type { Connection, End, Network } from './network.ts';

/** The first byte of a message from the node. */
const kind = { response: 0, refusal: 1, end: 2 } as const;

const noBytes = new Uint8Array(0);
const unreachable: Refusal = { reason: 'UNREACHABLE', message: 'the node was not reached' };
const cutOff: Refusal = { reason: 'UNREACHABLE', message: 'the connection ended' };
const noAnswer: Refusal = { reason: 'UNREACHABLE', message: 'no answer in time' };

export class RpcTransport implements ClientTransport {
  private readonly network: Network;
  private readonly machine: Machine;

  constructor(network: Network, machine: Machine) {
    this.network = network;
    this.machine = machine;
  }

  openStream(address: string, path: string, events: StreamEvents): Stream {
    const unsent: Buffer[] = [];
    let connection: Connection | null = null;
    let isOver = false;
    const end = (refusal: Refusal) => {
      if (isOver) return;
      isOver = true;
      connection?.close();
      events.onEnd(new PacelineError(refusal));
    };
    const take = (bytes: Buffer) => {
      if (bytes[0] === kind.response) events.onResponse(bytes.subarray(1));
      else end(bytes[0] === kind.refusal ? refusalIn(bytes) : cutOff);
    };
    const ends: End = {
      onMessage: ({ bytes }) => {
        if (!isOver) take(bytes);
      },
      onEnd: () => end(cutOff),
    };
    const connectMs = 3000;
    const late = this.machine.after(connectMs, () => end(unreachable));
    this.network.connect(this.machine, address, path, ends, (result) => {
      late.cancel();
      if (result.kind === 'refused') end(unreachable);
      else if (isOver) result.connection.close();
      else {
        connection = result.connection;
        for (const bytes of unsent.splice(0)) connection.send({ bytes });
      }
    });
    return {
      send: (bytes) => {
        if (isOver) return;
        if (connection === null) unsent.push(bytes);
        else connection.send({ bytes });
      },
      close: () => {
        isOver = true;
        late.cancel();
        connection?.close();
      },
    };
  }

  call<Request, RequestInput, Response, ResponseInput>(
    address: string,
    rpc: Rpc<Request, RequestInput, Response, ResponseInput>,
    input: RequestInput,
    timeoutMs: number,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const fail = (refusal: Refusal) => {
        late.cancel();
        stream.close();
        reject(new PacelineError(refusal));
      };
      const late = this.machine.after(timeoutMs, () => fail(noAnswer));
      const stream = this.openStream(address, rpc.path, {
        onResponse: (bytes) => {
          late.cancel();
          stream.close();
          resolve(rpc.response.decode(bytes));
        },
        onEnd: fail,
      });
      stream.send(rpc.request.encode(input));
    });
  }

  close(): void {}
}

/** As between nodes over gRPC: whether a call that failed had arrived is known only where none was there. */
export class RpcForwarder implements Forwarder {
  private readonly transport: RpcTransport;

  constructor(transport: RpcTransport) {
    this.transport = transport;
  }

  async append(...[address, request, timeoutMs]: Parameters<Forwarder['append']>) {
    try {
      return await this.transport.call(address, rawAppend, request, timeoutMs);
    } catch (error) {
      if (!(error instanceof PacelineError)) throw error;
      if (error.message === unreachable.message) {
        return forwardRefusals.notReached;
      }
      return error.reason === 'UNREACHABLE' ? forwardRefusals.noAnswer : error;
    }
  }
}

/** The node's end of a call: null where there is no such rpc. */
export function acceptCall(
  node: Node,
  methods: readonly UnaryMethod[],
  path: string,
  connection: Connection,
): End | null {
  const method = methods.find((each) => each.path === path);
  if (method !== undefined) return answerOnce(method, connection);
  const open = streamPaths.get(path);
  if (open === undefined) return null;
  const fail = (error: PacelineError) => {
    connection.send({ bytes: refusalBytes(error) });
    connection.close();
    stream.close();
  };
  const stream: ServerStream = open(node, {
    write: (response) => {
      connection.send({ bytes: framed(kind.response, response) });
      return true;
    },
    pause: () => {},
    resume: () => {},
    end: () => connection.send({ bytes: framed(kind.end) }),
    fail,
  });
  return {
    onMessage: ({ bytes }) => {
      try {
        stream.take(bytes);
      } catch (error) {
        if (!(error instanceof PacelineError)) throw error;
        fail(error);
      }
    },
    onEnd: () => stream.close(),
  };
}

function answerOnce(method: UnaryMethod, connection: Connection): End {
  return {
    onMessage: ({ bytes }) => {
      method.answer(bytes).then(
        (response) => connection.send({ bytes: framed(kind.response, response) }),
        (error: unknown) => {
          const refusal = error instanceof PacelineError ? error : internal(error);
          connection.send({ bytes: refusalBytes(refusal) });
        },
      );
    },
    onEnd: () => {},
  };
}

function framed(of: number, bytes: Uint8Array = noBytes): Buffer {
  const message = Buffer.allocUnsafe(1 + bytes.length);
  message[0] = of;
  message.set(bytes, 1);
  return message;
}

function internal(error: unknown): PacelineError {
  return new PacelineError({ reason: 'INTERNAL', message: String(error) });
}

function refusalBytes(error: PacelineError): Buffer {
  const { reason, message } = error;
  const text = JSON.stringify({ ...error, reason, message });
  return framed(kind.refusal, Buffer.from(text));
}

function refusalIn(bytes: Buffer): Refusal {
  return JSON.parse(bytes.toString('utf8', 1));
}
