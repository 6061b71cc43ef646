// A timeout longer than gRPC can say: the call is answered as any other, and nothing is thrown beside it.
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { expect, onTestFinished, test } from 'vitest';
import { createGrpcClientTransport } from '../../src/client/grpc/transport.ts';
import { rpcs } from '../../src/gen/services.ts';

const identity = (bytes: Buffer) => bytes;
const { getStatus } = rpcs;

async function startServer(): Promise<string> {
  const server = new Server();
  const { path } = getStatus;
  const shape = { requestStream: false, responseStream: false };
  const codecs = { requestSerialize: identity, requestDeserialize: identity };
  const answers = { responseSerialize: identity, responseDeserialize: identity };
  const answer = getStatus.response.encode({ node: 7 });
  server.addService(
    { status: { path, ...shape, ...codecs, ...answers } },
    { status: (_: unknown, done: (error: null, bytes: Buffer) => void) => done(null, answer) },
  );
  const credentials = ServerCredentials.createInsecure();
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  onTestFinished(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

test.each([1e15, Number.MAX_VALUE, Number.POSITIVE_INFINITY])(
  'a call of %d ms is answered',
  async (timeoutMs) => {
    const address = await startServer();
    const transport = createGrpcClientTransport();
    onTestFinished(() => transport.close());
    const { node } = await transport.call(address, getStatus, {}, timeoutMs);
    expect(node).toBe(7);
  },
);
