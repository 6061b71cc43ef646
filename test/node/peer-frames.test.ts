// What leaves in which frame: acknowledgements share one that leaves anyway, a commit waits for entries to the
// same peer and is told once, by the newest Append or Commit; nothing else waits.
import { expect, test } from 'vitest';
import { createPayload } from '../../src/entry.ts';
import { PeerFrames } from '../../src/node/peer-frames.ts';
import { EntryKind } from '../../src/raft/types.ts';
import type { Lane, NodeId, PeerMessage } from '../../src/transport/types.ts';
import { heartbeat } from './one-of-three.ts';

test('heartbeats of all partitions to a peer leave in one frame', () => {
  const toPeers = new PeerFrames(1, 1024);
  for (let partition = 0; partition < 500; partition += 1) {
    for (const to of [2, 3]) toPeers.put(partition, heartbeat(1, 1, to));
  }
  const frames: string[] = [];
  toPeers.drain(false, (to, lane, { messages }) => frames.push(`${to} ${lane} ${messages.length}`));
  expect(frames).toEqual(['2 control 500', '3 control 500']);
});

test('acknowledgements share a small frame of entries to the same peer, and never wait behind bulk', () => {
  expect(framesOf([acknowledgement(2), append(2, 0, 100)])).toEqual(['2 data 2']);
  expect(framesOf([append(3, 0, 100), acknowledgement(2)])).toEqual(['2 control 1', '3 data 1']);
  expect(framesOf([append(2, 0, 100_000), acknowledgement(2)])).toEqual([
    '2 control 1',
    '2 data 1',
  ]);
  const beat = heartbeat(1, 1, 2);
  expect(framesOf([beat, acknowledgement(2), append(2, 0, 100)])).toEqual([
    '2 control 2',
    '2 data 1',
  ]);
});

test('a commit leaves at once where nothing may be held back', () => {
  const toPeers = new PeerFrames(1, 1000);
  toPeers.put(7, commit(2, 5));
  expect(drained(toPeers, false)).toEqual(['2 data 7:Commit 5']);
  expect(toPeers.holdsBack).toBe(false);
  expect(drained(toPeers, false)).toEqual([]);
});

test('a commit that may be held back leaves behind the next entries to its peer', () => {
  const toPeers = new PeerFrames(1, 1000);
  toPeers.put(7, commit(2, 5));
  toPeers.put(7, commit(3, 5));
  toPeers.put(8, heartbeat(1, 1, 2));
  expect(drained(toPeers, true)).toEqual(['2 control 8:Heartbeat']);
  expect(toPeers.holdsBack).toBe(true);
  toPeers.put(9, append(2, 1, 100));
  expect(drained(toPeers, true)).toEqual(['2 data 9:Append 1@1 7:Commit 5']);
  expect(toPeers.holdsBack).toBe(true);
  expect(drained(toPeers, false)).toEqual(['3 data 7:Commit 5']);
  expect(toPeers.holdsBack).toBe(false);
});

test('of one replica only the newest commit is told, by its entries where there are any', () => {
  const toPeers = new PeerFrames(1, 1000);
  toPeers.put(7, commit(2, 5));
  toPeers.put(7, commit(2, 6));
  toPeers.put(8, commit(2, 3));
  expect(drained(toPeers, true)).toEqual([]);
  toPeers.put(7, append(2, 7, 100));
  expect(drained(toPeers, true)).toEqual(['2 data 7:Append 1@7 8:Commit 3']);
});

test('an Append without entries waits for nothing, as its answer is waited for, and takes the place of a commit', () => {
  const toPeers = new PeerFrames(1, 1000);
  toPeers.put(7, commit(2, 5));
  toPeers.put(8, commit(2, 3));
  toPeers.put(7, append(2, 6));
  expect(drained(toPeers, true)).toEqual(['2 data 7:Append 0@6 8:Commit 3']);
  toPeers.put(7, append(2, 6));
  toPeers.put(7, commit(2, 7));
  expect(drained(toPeers, false)).toEqual(['2 data 7:Append 0@6 7:Commit 7']);
});

/** What leaves: peer, lane, and of each message its partition, kind and commit. */
function drained(toPeers: PeerFrames, mayHold: boolean): string[] {
  const frames: string[] = [];
  toPeers.drain(mayHold, (to: NodeId, lane: Lane, { partitions, messages }) => {
    const all = messages.map((message, i) => {
      const { type } = message;
      const of = type === 'Append' ? ` ${message.entries.length}@${message.commit}` : '';
      return `${partitions[i]}:${type}${type === 'Commit' ? ` ${message.commit}` : of}`;
    });
    frames.push(`${to} ${lane} ${all.join(' ')}`);
  });
  return frames;
}

function framesOf(messages: readonly PeerMessage[]): string[] {
  const toPeers = new PeerFrames(1, 1024 * 1024);
  for (const message of messages) toPeers.put(0, message);
  const frames: string[] = [];
  toPeers.drain(false, (to, lane, frame) => {
    expect(frame.partitions).toHaveLength(frame.messages.length);
    frames.push(`${to} ${lane} ${frame.messages.length}`);
  });
  return frames.sort();
}

function acknowledgement(to: number): PeerMessage {
  return { type: 'AppendOk', from: 1, to, term: 1, match: 7 };
}

function commit(to: NodeId, index: number): PeerMessage {
  return { type: 'Commit', from: 1, to, term: 1, prevIndex: 9, prevTerm: 1, commit: index };
}

/** Without bytes no entry. */
function append(to: NodeId, commit: number, bytes = 0): PeerMessage {
  const payload = createPayload(new Uint8Array(0), [new Uint8Array(bytes)], bytes);
  const place = { index: 1, term: 1, kind: EntryKind.COMMANDS, timeMs: 1 };
  const entry = { ...place, payload, payloadBytes: bytes, chain: new Uint8Array(16) };
  const entries = bytes === 0 ? [] : [entry];
  return { type: 'Append', from: 1, to, term: 1, prevIndex: 0, prevTerm: 0, entries, commit };
}
