// What a client names in `restart` after a round that was refused: its frames stay within what a node takes,
// and the node can forget in the end. The check of frames is the node's own.
import { expect, test } from 'vitest';
import { checkFrame } from '../../src/api/check.ts';
import { type RawGroup, readFrame } from '../../src/api/frames.ts';
import { BrokenOrder } from '../../src/client/broken-order.ts';
import { PacelineClient } from '../../src/client/client.ts';
import type { PendingAppend } from '../../src/client/pending-append.ts';
import type { ClientTransport, StreamEvents } from '../../src/client/types.ts';
import type { Reason } from '../../src/errors.ts';
import { AppendCommand, AppendSessionResponse } from '../../src/gen/proto.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeCluster } from './fake-cluster.ts';

/** A node that stores all, or refuses all with one reason, and keeps the order of its stream. */
class Node {
  refusesWith: Reason | null = null;
  readonly broken = new Set<string>();
  readonly groups: RawGroup[] = [];
  private seq = 0;

  take(bytes: Buffer, { onResponse }: StreamEvents): void {
    const frame = readFrame(bytes);
    if (frame === null) throw new Error('not a frame');
    const whole = checkFrame(frame)?.reason ?? this.refusesWith;
    const groups = frame.groups.map((group, place) => {
      this.groups.push(group);
      for (const name of group.restart) this.broken.delete(name);
      const results = group.commands.map((command) => this.result(command, whole));
      return { frame: frame.frame, group: place, results };
    });
    setImmediate(() => onResponse(AppendSessionResponse.encode({ groups })));
  }

  private result(command: Uint8Array, whole: Reason | null) {
    const { conversation } = AppendCommand.decode(command);
    const reason = whole ?? (this.broken.has(conversation) ? 'SESSION_ORDER' : null);
    if (reason !== null) {
      this.broken.add(conversation);
      return { error: { reason, message: reason } };
    }
    this.seq += 1;
    return { seq: this.seq, rev: this.seq, id: this.seq, index: this.seq, term: 1 };
  }
}

function open() {
  const clock = new FakeClock();
  const cluster = new FakeCluster(['n1:1']);
  const node = new Node();
  const transport: ClientTransport = {
    call: (address, rpc) => cluster.call(address, rpc),
    openStream: (_address, _path, events) => {
      const send = (bytes: Buffer) => node.take(bytes, events);
      return { send, close() {} };
    },
    close: () => {},
  };
  const given = { servers: ['n1:1'], transport, clock, random: () => 0.5, clientId: 'test' };
  const client = new PacelineClient(given);
  const ends = new Map<string, number>();
  const count = (end: string) => ends.set(end, (ends.get(end) ?? 0) + 1);
  const append = (conversation: string, body: string) => {
    client
      .append({ conversation, sender: 'someone', body })
      .then(() => count('stored'))
      .catch((error) => count(error.reason));
  };
  const turn = async () => {
    await clock.pass(20);
    await new Promise((resolve) => setImmediate(resolve));
    await clock.settle();
  };
  return { node, ends, append, turn };
}

function namesBytes({ restart }: RawGroup): number {
  return restart.reduce((sum, name) => sum + Buffer.byteLength(name) + 3, 0);
}

test.each([
  ['short', 220, ''],
  ['of almost all the bytes a name may have', 0, 'n'.repeat(100)],
])('4,000 appends that found a full queue are stored, names %s', async (_, bodyBytes, suffix) => {
  const { node, ends, append, turn } = open();
  node.refusesWith = 'BUSY';
  for (let i = 0; i < 4000; i++) append(`g:conversation-${i}${suffix}`, 'x'.repeat(bodyBytes));
  await turn();
  node.refusesWith = null;
  for (let i = 0; i < 60; i++) await turn();
  expect(Object.fromEntries(ends)).toEqual({ stored: 4000 });
});

test('those whose append has ended are named by later groups, 16 KiB each', async () => {
  const { node, ends, append, turn } = open();
  node.refusesWith = 'QUOTA';
  for (let i = 0; i < 3000; i++) append(`g:conversation-${i}`, 'x');
  await turn();
  expect(node.broken.size).toBe(3000);
  node.refusesWith = null;
  for (let i = 0; i < 6; i++) {
    append('g:conversation-0', 'x');
    await turn();
  }
  expect(Object.fromEntries(ends)).toEqual({ QUOTA: 3000, stored: 6 });
  expect(node.broken.size).toBe(0);
  expect(Math.max(...node.groups.map(namesBytes))).toBeLessThan(16 * 1024 + 50);
});

test('a group always names those of its own appends; bytes are counted, not letters', () => {
  const order = new BrokenOrder();
  const name = (i: number) => `g:${'é'.repeat(100)}${1000 + i}`;
  const size = Buffer.byteLength(name(0)) + 3;
  for (let i = 0; i < 200; i++) order.add(5, name(i));
  const appends = Array.from({ length: 100 }, (_, i) => ({ conversation: name(i + 50) }));
  const first = order.take(5, appends as PendingAppend[], 1_000_000);
  expect(first.names.slice(0, 100)).toEqual(appends.map(({ conversation }) => conversation));
  expect(first.names).toHaveLength(100 + Math.floor((16 * 1024) / size));
  expect(first.bytes).toBe(first.names.length * size);
  expect(order.take(5, [], size * 2).names).toHaveLength(2);
  expect(order.take(6, [], 1_000_000).names).toEqual([]);
  expect(order.take(5, [], 1_000_000).names).toHaveLength(200 - first.names.length - 2);
  expect(order.has(5)).toBe(false);
});
