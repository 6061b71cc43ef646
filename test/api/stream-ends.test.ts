// How streams end that their callers did not end. What nobody has thought of, thrown while a request is taken,
// ends its stream alone, with INTERNAL and without the error's text, which is logged.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { until } from '../../scripts/harness/until.ts';
import { frameLimits } from '../../src/api/frames.ts';
import { GrpcForwarder } from '../../src/api/grpc/forward.ts';
import { createApiServer } from '../../src/api/grpc/server.ts';
import { createGrpcClientTransport } from '../../src/client/grpc/transport.ts';
import { systemClock } from '../../src/clock.ts';
import { PacelineError } from '../../src/errors.ts';
import {
  AppendRequest,
  AppendSessionRequest,
  AppendSessionResponse,
  SubscribeRequest,
} from '../../src/gen/proto.ts';
import { appendSessionPath, subscribePath } from '../../src/gen/services.ts';
import { type Alone, startAlone } from './alone.ts';

const logged: Readonly<Record<string, unknown>>[] = [];
const transport = createGrpcClientTransport();
let alone: Alone;
let server: ReturnType<typeof createApiServer>;
let address: string;

beforeAll(async () => {
  alone = await startAlone(systemClock);
  server = createApiServer(alone.node, null, (_event, facts) => logged.push(facts));
  address = `127.0.0.1:${await server.listen('127.0.0.1:0')}`;
});

afterAll(async () => {
  transport.close();
  await server.close();
  await alone.stop();
});

const request = AppendSessionRequest.encode({
  frame: 1,
  groups: [{ partition: 0, commands: [{ conversation: 'g:one', sender: 's' }] }],
});

function openSession() {
  const seqs: number[] = [];
  const ends: PacelineError[] = [];
  const stream = transport.openStream(address, appendSessionPath, {
    onResponse: (bytes) => {
      const { groups } = AppendSessionResponse.decode(bytes);
      for (const { results } of groups) seqs.push(...results.map(({ seq }) => Number(seq)));
    },
    onEnd: (error) => ends.push(error),
  });
  return { stream, seqs, ends };
}

test('what nobody has thought of ends that stream alone', async () => {
  const other = openSession();
  other.stream.send(request);
  await until('the other is answered', 5000, () => other.seqs.length === 1);

  vi.spyOn(alone.node, 'submit').mockImplementationOnce(() => {
    throw new TypeError('secret of the node');
  });
  const broken = openSession();
  broken.stream.send(request);
  await until('the stream ends', 5000, () => broken.ends.length === 1);
  expect(broken.ends[0]).toBeInstanceOf(PacelineError);
  expect(broken.ends[0]).toMatchObject({ reason: 'INTERNAL' });
  expect(broken.ends[0]?.message).not.toContain('secret');
  expect(logged).toHaveLength(1);
  expect(String(logged[0]?.['error'])).toContain('secret of the node');

  other.stream.send(request);
  await until('the other is answered again', 5000, () => other.seqs.length === 2);
  const [first = 0] = other.seqs;
  expect(other.seqs).toEqual([first, first + 1]);
  expect(other.ends).toEqual([]);
});

test('what nobody has thought of while messages are read for a subscriber ends that stream alone', async () => {
  vi.spyOn(alone.node, 'partitionFeed').mockImplementationOnce((partition, afterIndex) => {
    const feed = alone.node.partitionFeed(partition, afterIndex);
    vi.spyOn(feed, 'next').mockRejectedValue(new TypeError('secret of the feed'));
    return feed;
  });
  const ends: PacelineError[] = [];
  const stream = transport.openStream(address, subscribePath, {
    onResponse: () => {},
    onEnd: (error) => ends.push(error),
  });
  stream.send(SubscribeRequest.encode({ start: { partition: 0 } }));
  await until('the stream ends', 5000, () => ends.length === 1);
  expect(ends[0]).toMatchObject({ reason: 'INTERNAL' });
  expect(ends[0]?.message).not.toContain('secret');
  expect(String(logged.at(-1)?.['error'])).toContain('secret of the feed');
});

test('what comes behind the frame that ended its stream is not stored', async () => {
  const conversation = 'g:behind';
  const body = Buffer.alloc(20);
  const groups = [{ partition: 0, commands: [{ conversation, sender: 's' }] }];
  const tooMany = Array.from({ length: frameLimits.parts + 1 }, () => ({ conversation, body }));
  const { stream, seqs, ends } = openSession();
  stream.send(AppendSessionRequest.encode({ frame: 1, groups }));
  // Connected now: the next two leave together.
  await until('the first is answered', 5000, () => seqs.length === 1);
  const broken = [{ partition: 0, commands: tooMany }];
  stream.send(AppendSessionRequest.encode({ frame: 2, groups: broken }));
  stream.send(AppendSessionRequest.encode({ frame: 3, groups }));
  await until('the stream ends', 5000, () => ends.length === 1);
  const other = openSession();
  other.stream.send(AppendSessionRequest.encode({ frame: 1, groups }));
  await until('the other is answered', 5000, () => other.seqs.length === 1);
  expect([seqs, other.seqs]).toEqual([[1], [2]]);
});

test('a node reaches another whatever the environment says of a proxy for the web', async () => {
  vi.stubEnv('http_proxy', 'http://127.0.0.1:1');
  const forwarder = new GrpcForwarder();
  const command = { conversation: 'g:proxy', sender: 's' };
  const answer = await forwarder.append(address, AppendRequest.encode({ command }), 5000);
  forwarder.close();
  vi.unstubAllEnvs();
  expect(answer).toBeInstanceOf(Buffer);
});

test('a server that stops says so on every stream', async () => {
  const closing = createApiServer(alone.node, null, () => {});
  const at = `127.0.0.1:${await closing.listen('127.0.0.1:0')}`;
  const ends: string[] = [];
  let events = 0;
  const open = (path: string, first: Buffer) => {
    const stream = transport.openStream(at, path, {
      onResponse: () => {
        events += 1;
      },
      onEnd: ({ reason }) => ends.push(reason),
    });
    stream.send(first);
  };
  open(appendSessionPath, request);
  open(subscribePath, SubscribeRequest.encode({ start: { conversation: 'g:two', credits: 1 } }));
  await until('both have begun', 5000, () => events >= 2);
  await closing.close();
  await until('both have ended', 5000, () => ends.length === 2);
  expect(ends).toEqual(['STOPPING', 'STOPPING']);
});
