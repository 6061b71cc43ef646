// How old what a follower answers may be: the time since it heard of a commit index that it has applied.
import { expect, test } from 'vitest';
import type { PeerMessage } from '../../src/transport/types.ts';
import { entriesAfter, OneOfThree } from './one-of-three.ts';

const place = { from: 2, to: 1, term: 1 } as const;

test.each<[string, PeerMessage]>([
  ['a heartbeat', { type: 'Heartbeat', ...place, commit: 1, round: 1 }],
  ['a Commit', { type: 'Commit', ...place, prevIndex: 1, prevTerm: 1, commit: 1 }],
  ['an Append', { type: 'Append', ...place, prevIndex: 1, prevTerm: 1, entries: [], commit: 1 }],
])('%s makes it new', async (_, message) => {
  const one = await new OneOfThree().start();
  const entries = entriesAfter(undefined, [1]);
  one.receive(0, { type: 'Append', ...place, prevIndex: 0, prevTerm: 0, entries, commit: 1 });
  await one.flush();
  one.nowMs += 200;
  one.receive(0, message);
  one.nowMs += 10;
  const [replica] = one.node.replicas;
  expect([replica?.raft.applied, replica?.lagMs(one.nowMs)]).toEqual([1, 10]);
});
