// Raft messages to bytes and back.
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { encodeEntry } from '../../src/entry.ts';
import { hashBytes } from '../../src/hash.ts';
import { decodeFrame, encodeBatchFrame } from '../../src/transport/frame-codec.ts';
import { lengthBytes } from '../../src/transport/frame-reader.ts';
import { decodeBatch, encodeBatch } from '../../src/transport/message-codec.ts';
import type { PeerBatch, PeerMessage } from '../../src/transport/types.ts';
import { bulk, entryOf, numbered } from './nodes.ts';

const uint = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32, 2 ** 53 - 1));
const envelope = { from: uint, to: uint, term: uint };
const campaign = uint;
const partition = fc.nat(0xffff);

const ids = fc.array(uint, { maxLength: 4 });
const snapshot = fc.record({
  ...{ index: uint, term: uint, timeMs: uint },
  chain: fc.uint8Array({ minLength: hashBytes, maxLength: hashBytes }),
  membership: fc.record({
    ...{ incoming: ids, outgoing: ids, learners: ids, learnersNext: ids },
    ...{ highestId: uint, autoLeave: fc.boolean() },
  }),
});

const plain: fc.Arbitrary<PeerMessage> = fc.oneof(
  fc.record({
    type: fc.constant('PreVote' as const),
    ...{ ...envelope, campaign, lastIndex: uint, lastTerm: uint },
  }),
  fc.record({
    type: fc.constant('Vote' as const),
    ...{ ...envelope, campaign, lastIndex: uint, lastTerm: uint, transfer: fc.boolean() },
  }),
  fc.record({ type: fc.constant('TimeoutNow' as const), ...envelope }),
  fc.record({ type: fc.constant('Quiesce' as const), ...envelope, index: uint, lastTerm: uint }),
  fc.record({ type: fc.constant('QuiesceOk' as const), ...envelope, index: uint }),
  fc.record({
    type: fc.constantFrom('PreVoteReply' as const, 'VoteReply' as const),
    ...{ ...envelope, campaign, granted: fc.boolean() },
  }),
  fc.record({
    type: fc.constant('Commit' as const),
    ...{ ...envelope, prevIndex: uint, prevTerm: uint, commit: uint },
  }),
  fc.record({ type: fc.constant('AppendOk' as const), ...envelope, match: uint }),
  fc.record({
    type: fc.constant('AppendReject' as const),
    ...{ ...envelope, prevIndex: uint, hintIndex: uint, hintTerm: uint },
  }),
  fc.record({ type: fc.constant('InstallSnapshot' as const), ...envelope, snapshot }),
  fc.record({ type: fc.constant('Heartbeat' as const), ...envelope, commit: uint, round: uint }),
  fc.record({ type: fc.constant('HeartbeatOk' as const), ...envelope, round: uint }),
  fc.record({ type: fc.constant('ReadIndex' as const), ...envelope, context: uint }),
  fc.record({
    type: fc.constant('ReadIndexReply' as const),
    ...{ ...envelope, context: uint, index: fc.option(uint) },
  }),
);

function addressed(at: number): fc.Arbitrary<PeerMessage> {
  const entry = fc
    .tuple(uint, fc.uint8Array({ maxLength: 300 }))
    .map(([index, command]) => entryOf(at, index, command));
  const append = fc.record({
    type: fc.constant('Append' as const),
    ...{ ...envelope, prevIndex: uint, prevTerm: uint, commit: uint },
    entries: fc.array(entry, { maxLength: 4 }),
  });
  return fc.oneof({ weight: 2, arbitrary: plain }, append);
}

const batch: fc.Arbitrary<PeerBatch> = fc
  .record({
    wallMs: uint,
    pairs: fc.array(partition.chain((at) => fc.tuple(fc.constant(at), addressed(at)))),
  })
  .map(({ wallMs, pairs }) => ({
    wallMs,
    partitions: pairs.map(([at]) => at),
    messages: pairs.map(([, message]) => message),
  }));

/** Entries as their bytes and the fields read from them, comparable whatever the kind of array. */
function comparable({ wallMs, partitions, messages }: PeerBatch) {
  const entries = (at: number, m: PeerMessage) =>
    (m.type === 'Append' ? m.entries : []).map(({ payload, chain, ...fields }) => ({
      ...fields,
      headerBytes: payload.headerBytes,
      chain: Buffer.from(chain).toString('hex'),
      bytes: payload.bytes.toString('hex'),
      encoded: encodeEntry(at, { ...fields, chain, payload }).toString('hex'),
    }));
  const pairs = messages.map((m, at) => ({ ...m, entries: entries(partitions[at] ?? 0, m) }));
  return { wallMs, partitions, pairs };
}

describe('a batch', () => {
  it('of any messages comes back as it was', () => {
    fc.assert(
      fc.property(batch, (made) => {
        const decoded = decodeBatch(encodeBatch(made));
        expect(decoded && comparable(decoded)).toEqual(comparable(made));
      }),
    );
  });

  it('in a frame comes back as it was, whatever its length', () => {
    for (const bytes of [0, 1, 20, 100, 127, 128, 16_000, 16_384, 3_000_000]) {
      const made = bulk(bytes);
      const frame = decodeFrame(encodeBatchFrame(made).subarray(lengthBytes));
      const decoded = frame?.kind === 'batch' ? decodeBatch(frame.bytes) : null;
      const [entry] = decoded?.messages[0]?.type === 'Append' ? decoded.messages[0].entries : [];
      const [expected] = made.messages[0]?.type === 'Append' ? made.messages[0].entries : [];
      expect(entry?.payload.bytes.equals(expected?.payload.bytes ?? Buffer.alloc(0))).toBe(true);
    }
  });

  it('holds entries as views into the bytes it came in', () => {
    const bytes = encodeBatch(bulk(100));
    const message = decodeBatch(bytes)?.messages[0];
    const buffers = message?.type === 'Append' ? message.entries.map((e) => e.payload.bytes) : [];
    expect(buffers.map(({ buffer }) => buffer === bytes.buffer)).toEqual([true]);
  });

  it('is refused where any bit of an entry changed', () => {
    const made = encodeBatch(bulk(100));
    const entryStart = made.length - 184;
    fc.assert(
      fc.property(fc.nat(184 * 8 - 1), (bit) => {
        const damaged = Buffer.from(made);
        const at = entryStart + (bit >> 3);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << (bit & 7));
        // Bytes 2 and 3 of an entry are checked as well: the checksum covers all of it.
        expect(decodeBatch(damaged)).toBe(null);
      }),
    );
  });

  it('is refused where an entry was made for another partition', () => {
    const { wallMs, messages } = bulk(100);
    expect(decodeBatch(encodeBatch({ wallMs, messages, partitions: [1] }))).toBe(null);
  });

  it('is refused where a field is missing, too many, or of another type or range', () => {
    const packr = new Packr({ useRecords: false });
    const good = [1, 5, [0, 8, 1, 2, 3, 4, 5]];
    expect(decodeBatch(packr.pack(good))?.messages.length).toBe(1);
    expect(decodeBatch(packr.pack([1, 5, [0, 16, 1, 2, 3, 4, 5, 6]]))?.messages).toEqual([
      { type: 'Commit', from: 1, to: 2, term: 3, prevIndex: 4, prevTerm: 5, commit: 6 },
    ]);
    const bad: unknown[] = [
      [2, 5, [0, 8, 1, 2, 3, 4, 5]],
      [1, -5, [0, 8, 1, 2, 3, 4, 5]],
      [1],
      [1, 5, [0x1_0000, 8, 1, 2, 3, 4, 5]],
      [1, 5, [0, 8, 1, 2, 3, 4]],
      [1, 5, [0, 8, 1, 2, 3, 4, 5, 6]],
      [1, 5, [0, 8, 1, 2, 3, 4, '5']],
      [1, 5, [0, 8, 1, 2, 3, 4, 2 ** 53]],
      [1, 5, [0, 8, 1, 2, 3, 4, 1.5]],
      [1, 5, [0, 8, 1, 2, 3, 4, 2n ** 60n]],
      [1, 5, [0, 99, 1, 2, 3, 4]],
      [1, 5, [0, 2, 1, 2, 3, 1, 5]],
      [1, 5, [0, 5, 1, 2, 3, 4, 5, 6, 7]],
      [1, 5, [0, 11, 1, 2, 3, 4, undefined]],
      [1, 5, [0, 16, 1, 2, 3, 4, 5]],
      [1, 5, [0, 16, 1, 2, 3, 4, 5, 6, 7]],
      [1, 5, [0, 16, 1, 2, 3, 4, 5, -6]],
      [1, 5, [0, 16, 1, 2, 3, null, 5, 6]],
      [1, 5, 7],
      { wallMs: 5 },
      null,
    ];
    for (const fields of bad) expect(decodeBatch(packr.pack(fields))).toBe(null);
  });

  it('is refused where a snapshot lacks its chain, a list of its members or what is said of them', () => {
    const packr = new Packr({ useRecords: false });
    const chain = Buffer.alloc(hashBytes, 7);
    const good: unknown[] = [0, 15, 1, 2, 3, 10, 2, 99, chain, [1, 2, 3], [], [4], [], 4, false];
    const decode = (fields: readonly unknown[]) => decodeBatch(packr.pack([1, 5, fields]));
    expect(decode(good)?.messages).toMatchObject([
      { type: 'InstallSnapshot', term: 3, snapshot: { index: 10, term: 2, timeMs: 99 } },
    ]);
    const others = [-1, 'x', null, Buffer.alloc(hashBytes - 1), [1, 'x'], [1.5]];
    for (const at of good.keys()) {
      if (at < 2) continue;
      for (const other of others) expect(decode(good.with(at, other))).toBe(null);
    }
    expect(decode(good.slice(0, -1))).toBe(null);
    expect(decode([...good, 1])).toBe(null);
  });

  it('does not keep its bytes alive by the chain of a snapshot', () => {
    const membership = { incoming: [1], outgoing: [], learners: [], learnersNext: [] };
    const place = { index: 1, term: 1, timeMs: 0, chain: new Uint8Array(hashBytes) };
    const made: PeerMessage = {
      ...{ type: 'InstallSnapshot', from: 1, to: 2, term: 1 },
      snapshot: { ...place, membership: { ...membership, highestId: 1, autoLeave: false } },
    };
    const bytes = encodeBatch({ wallMs: 0, partitions: [0], messages: [made] });
    const message = decodeBatch(bytes)?.messages[0];
    const chain = message?.type === 'InstallSnapshot' ? message.snapshot.chain : null;
    expect(chain?.byteLength).toBe(hashBytes);
    expect(chain?.buffer.byteLength).toBe(hashBytes);
  });

  it('is refused where it is cut short or goes on', () => {
    const made = encodeBatch(numbered(7));
    for (let length = 0; length < made.length; length += 1) {
      expect(decodeBatch(made.subarray(0, length))).toBe(null);
    }
    expect(decodeBatch(Buffer.concat([made, Buffer.from([0])]))).toBe(null);
  });
});

describe('random bytes', () => {
  const examples = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    // Near a batch: some bytes of one replaced.
    fc
      .tuple(batch, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }))
      .map(([made, changes]) => {
        const bytes = Buffer.from(encodeBatch(made));
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        return bytes;
      }),
  );

  it('never make a decoder throw', () => {
    fc.assert(
      fc.property(examples, (bytes) => {
        decodeBatch(bytes);
        for (const kind of [0, 1, 2, 3, 4, 5]) decodeFrame(Buffer.from([kind, ...bytes]));
      }),
      { numRuns: 2_000 },
    );
  });
});
