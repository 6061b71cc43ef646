// What is wrong with an option is said as the client is made, by its name; nobody is dialled for it.
import { expect, test } from 'vitest';
import { type ConnectOptions, connect, PacelineError } from '../../src/client/grpc/connect.ts';

const servers = ['127.0.0.1:7400'];

test.each<[string, object]>([
  ['servers', {}],
  ['servers', { servers: [] }],
  ['servers', { servers: '127.0.0.1:7400' }],
  ['servers', { servers: ['nonsense'] }],
  ['servers', { servers: ['127.0.0.1:99999'] }],
  ['servers', { servers: [7400] }],
  ['appendTimeoutMs', { servers, appendTimeoutMs: Number.NaN }],
  ['readTimeoutMs', { servers, readTimeoutMs: '5' }],
  ['bufferBytesMax', { servers, bufferBytesMax: -1 }],
  ['whenFull', { servers, whenFull: 'drop' }],
  ['clientId', { servers, clientId: '' }],
  ['clientId', { servers, clientId: 'x'.repeat(49) }],
])('%s is refused: %j', (field, options) => {
  let thrown: unknown = null;
  try {
    connect(options as ConnectOptions);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(PacelineError);
  expect(thrown).toMatchObject({ reason: 'BAD_REQUEST', field });
});

test('options that are right, or given as undefined, are taken', async () => {
  const more = {
    appendTimeoutMs: Number.POSITIVE_INFINITY,
    whenFull: 'refuse',
    clientId: 'c',
  } as const;
  for (const options of [{ servers }, { servers: ['[::1]:1', 'a.b:2'], ...more }]) {
    await connect(options).close();
  }
});
