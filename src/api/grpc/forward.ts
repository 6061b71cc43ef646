// Passes a unary append on to the leader's node, once, over channels kept by address.
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import type { Refusal } from '../../errors.ts';
import { sentRefusal } from '../../gen/google-rpc.ts';
import { rawAppend } from '../../gen/services.ts';
import { type Forwarder, forwardRefusals } from '../unary-append.ts';

export class GrpcForwarder implements Forwarder {
  private readonly clients = new Map<string, Client>();

  append(address: string, request: Buffer, timeoutMs: number): Promise<Buffer | Refusal> {
    const client = this.client(address);
    return new Promise((resolve) => {
      client.makeUnaryRequest(
        rawAppend.path,
        rawAppend.request.encode,
        rawAppend.response.decode,
        request,
        { deadline: Date.now() + timeoutMs },
        (error: ServiceError | null, answer?: Buffer) => {
          if (error !== null) resolve(refusalOf(error));
          else resolve(answer ?? forwardRefusals.noAnswer);
        },
      );
    });
  }

  close(): void {
    for (const client of this.clients.values()) client.close();
  }

  private client(address: string): Client {
    let client = this.clients.get(address);
    if (client === undefined) {
      client = new Client(address, credentials.createInsecure(), {
        'grpc.initial_reconnect_backoff_ms': 50,
        'grpc.max_reconnect_backoff_ms': 500,
        'grpc.use_local_subchannel_pool': 1,
        // The answer may take as long as a hold: a leader that says nothing at all is given up sooner.
        'grpc.keepalive_time_ms': 2000,
        'grpc.keepalive_timeout_ms': 2000,
        // As between clients and nodes: what the environment says of the web is not meant for these.
        'grpc.enable_http_proxy': 0,
      });
      this.clients.set(address, client);
    }
    return client;
  }
}

function refusalOf(error: ServiceError): Refusal {
  const sent = sentRefusal(error);
  if (sent !== null) return sent;
  const neverArrived = /ECONNREFUSED|No connection established/.test(error.details);
  if (error.code !== status.UNAVAILABLE || !neverArrived) return forwardRefusals.noAnswer;
  return forwardRefusals.notReached;
}
