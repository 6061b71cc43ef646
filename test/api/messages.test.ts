// What readers see of messages that are pending, rejected, released or late, and of events: on a real
// node whose entries are proposed by hand.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../scripts/harness/until.ts';
import { read } from '../../src/api/queries.ts';
import { systemClock } from '../../src/clock.ts';
import {
  AppendCommand,
  type AppendCommandInput,
  type ChatMessage,
  MessageState,
  ReadRequest,
  ReadResponse,
  type SubscribeStartInput,
} from '../../src/gen/proto.ts';
import { type SlotExtra, SlotKind } from '../../src/order/header.ts';
import { noExtra } from '../../src/order/policy.ts';
import { createPlaces } from '../../src/shard.ts';
import type { Slot } from '../order/fixture.ts';
import { type Alone, propose, startAlone } from './alone.ts';
import { Subscriber } from './subscriber.ts';

const conversation = 'g:talk';
const sender = 'ann';
const { MESSAGE_STATE_UNSPECIFIED: normal, MESSAGE_STATE_PENDING: pending } = MessageState;
const rejected = MessageState.MESSAGE_STATE_REJECTED;
let alone: Alone;

const whole: AppendCommandInput = {
  ...{ conversation, sender, key: 'k2', body: Buffer.from('secret'), contentType: 'text/plain' },
  ...{ headers: [{ name: 'n', value: 'v' }], device: 'phone', epoch: 3, clientSeq: 7 },
  ...{ prevClientSeq: 0, clientTimeMs: 99, pending: true },
};

/** Nobody ends them in the meantime. */
const dueMs = Date.now() + 3_600_000;
const pendingSlot = { kind: SlotKind.PENDING, dueMs };

/** Messages 1 (plain), 2 to 4 (pending), then 3 rejected, 4 released, a gap, and 5, late for it. */
const commands: readonly (readonly [input: AppendCommandInput, extra: Partial<SlotExtra>])[] = [
  [{ sender, body: Buffer.from('1') }, {}],
  [whole, pendingSlot],
  [{ ...whole, key: 'k3', clientSeq: 8 }, pendingSlot],
  [{ ...whole, key: 'k4', clientSeq: 9 }, pendingSlot],
  [
    { sender: 'mod', key: 'r3', reject: { seq: 3 } },
    { kind: SlotKind.REJECT, target: 3, dueMs },
  ],
  [
    { sender: 'mod', key: 'r4', release: { seq: 4 } },
    { kind: SlotKind.RELEASE, target: 4, dueMs },
  ],
  [{ sender, gapMarker: { device: 'phone', after: 9, before: 12 } }, { kind: SlotKind.GAP }],
  [{ sender, body: Buffer.from('late') }, { lateFor: 7 }],
  [{ sender, setPolicy: { gapWaitMs: 5 } }, { kind: SlotKind.POLICY }],
];

beforeAll(async () => {
  alone = await startAlone(systemClock);
  await write(conversation, commands);
});

afterAll(() => alone.stop());

async function write(name: string, written: typeof commands): Promise<void> {
  const place = createPlaces('mix')(name);
  if (!('shard' in place)) throw new Error('a good name');
  const { shard } = place;
  await propose(alone.node, (index) => {
    let seq = 0;
    let previous: { index: number; slot: number } | undefined;
    return written.map(([input, extra], i): Slot => {
      const isMessage = extra.kind === undefined || extra.kind === SlotKind.PENDING;
      const command = { bytes: AppendCommand.encode({ conversation: name, ...input }) };
      const before = previous === undefined ? {} : { previous };
      if (isMessage) {
        seq += 1;
        previous = { index, slot: i };
      }
      const full = { ...extra, conversation: i === 0 ? null : noExtra };
      return { command, shard, seq, rev: i + 1, extra: i === 0 ? null : full, ...before };
    });
  });
}

async function page(viewer: string): Promise<readonly ChatMessage[]> {
  const request = ReadRequest.decode(ReadRequest.encode({ conversation, viewer }));
  return ReadResponse.decode(ReadResponse.encode(await read(alone.node, request))).messages;
}

async function follow(start: SubscribeStartInput): Promise<ChatMessage[]> {
  const subscriber = new Subscriber(alone.node, start);
  await until('it caught up', 5000, () => subscriber.caughtUps === 1);
  return subscriber.messages;
}

function bytesOf({ command }: ChatMessage): Buffer {
  return AppendCommand.encode(command ?? {});
}

const numbers = (messages: readonly ChatMessage[]) =>
  messages.map(({ rev, seq }) => [Number(rev), Number(seq)]);

describe.each([
  ['a page', page],
  [
    'a subscription',
    async (viewer: string) => (await follow({ conversation, viewer })).filter(isMessage),
  ],
  [
    'a subscription of the partition',
    async (viewer: string) => (await follow({ viewer })).filter(isMessage),
  ],
])('%s', (_, messagesFor) => {
  it('shows others of a pending or rejected message that it is there, and nothing of it', async () => {
    for (const viewer of ['', 'bob', 'an', 'ann ']) {
      const messages = await messagesFor(viewer);
      expect(messages.map(({ state }) => state)).toEqual([
        normal,
        pending,
        rejected,
        normal,
        normal,
      ]);
      const stub = { conversation, sender, device: 'phone', epoch: 3, prevClientSeq: 0 };
      const more = { clientTimeMs: 99, pending: true };
      const expected = [7, 8].map((clientSeq) => {
        return AppendCommand.encode({ ...stub, clientSeq, ...more }).toString('hex');
      });
      expect(messages.slice(1, 3).map((each) => bytesOf(each).toString('hex'))).toEqual(expected);
    }
  });

  it('shows its sender all of it, byte for byte, in its state', async () => {
    const messages = await messagesFor(sender);
    expect(messages.map(({ state }) => state)).toEqual([normal, pending, rejected, normal, normal]);
    expect(bytesOf(messages[1] ?? fail())).toEqual(AppendCommand.encode(whole));
  });

  it('shows everybody one that was released since as any other', async () => {
    const message = (await messagesFor('bob'))[3] ?? fail();
    expect(bytesOf(message)).toEqual(AppendCommand.encode({ ...whole, key: 'k4', clientSeq: 9 }));
  });

  it('says which came late, and for which gap', async () => {
    const messages = await messagesFor('');
    expect(messages.map(({ late, lateFor }) => [late, Number(lateFor)])).toEqual([
      ...Array.from({ length: 4 }, () => [false, 0]),
      [true, 7],
    ]);
  });
});

describe('a subscription', () => {
  const all = [
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 4],
    [5, 0],
    [6, 0],
    [7, 0],
    [8, 5],
    [9, 0],
  ];

  it('brings every event in order of rev, those that are no message without a seq', async () => {
    const messages = await follow({ conversation });
    expect(numbers(messages)).toEqual(all);
    expect(Number(messages[4]?.command?.reject?.seq)).toBe(3);
    expect(Number(messages[6]?.command?.gapMarker?.before)).toBe(12);
    expect(messages[8]?.command?.setPolicy?.gapWaitMs).toBe(5);
    expect(numbers(await follow({}))).toEqual(all);
  });

  it('begins after a rev exactly, and after a seq with what came after that message', async () => {
    for (let rev = 0; rev <= 9; rev++) {
      expect(numbers(await follow({ conversation, afterRev: rev }))).toEqual(all.slice(rev));
    }
    const afterSeq = async (seq: number) => numbers(await follow({ conversation, afterSeq: seq }));
    expect(await afterSeq(4)).toEqual(all.slice(4));
    expect(await afterSeq(5)).toEqual(all.slice(8));
    expect(() => new Subscriber(alone.node, { conversation, afterSeq: 1, afterRev: 1 })).toThrow(
      'at most one of after_seq and after_rev',
    );
  });

  it('brings with a release the message that it shows, to everybody', async () => {
    for (const viewer of ['', sender]) {
      const [, , , , reject, release] = await follow({ conversation, viewer });
      expect(reject?.subject).toBeNull();
      const subject = release?.subject ?? fail();
      expect(numbers([subject])).toEqual([[4, 4]]);
      expect(subject.state).toBe(normal);
      expect(bytesOf(subject)).toEqual(AppendCommand.encode({ ...whole, key: 'k4', clientSeq: 9 }));
    }
  });

  it('counts an event as a credit', async () => {
    const subscriber = new Subscriber(alone.node, { conversation, afterRev: 4, credits: 2 });
    await until('two came', 5000, () => subscriber.messages.length === 2);
    subscriber.give(1);
    await until('a third came', 5000, () => subscriber.messages.length === 3);
    expect(numbers(subscriber.messages)).toEqual(all.slice(4, 7));
    expect(subscriber.caughtUps).toBe(0);
  });

  it('brings with the registration of a device the epoch it was given', async () => {
    const registerDevice = { device: 'phone' };
    await write('s:ann', [
      [{ sender, body: Buffer.from('1') }, {}],
      [
        { sender, registerDevice },
        { kind: SlotKind.DEVICE, epoch: 12 },
      ],
    ]);
    const [message, event] = await follow({ conversation: 's:ann' });
    expect([Number(message?.epoch), Number(event?.epoch)]).toEqual([0, 12]);
    expect(event?.command?.registerDevice?.device).toBe('phone');
  });
});

function isMessage({ seq }: ChatMessage): boolean {
  return Number(seq) > 0;
}

function fail(): never {
  throw new Error('a message is missing');
}
