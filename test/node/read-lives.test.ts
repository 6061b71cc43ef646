// A read is not answered by what the leader says to a read of an earlier life of its node.
import { expect, test } from 'vitest';
import { type Clock, systemClock } from '../../src/clock.ts';
import { ReadRounds } from '../../src/node/read-rounds.ts';
import { Network } from '../raft/network.ts';
import { seeded } from '../raft/replica.ts';

test('a read after a restart sees what was acknowledged before it', async () => {
  const network = new Network();
  const [leader, reader] = [network.at(1), network.at(2)];
  const clock: Clock = { ...systemClock, monotonicMs: () => network.nowMs };
  const random = seeded(3);
  const startReads = () => new ReadRounds(reader.raft, clock, random);
  network.campaign(1);
  network.propose(1, 'before');
  network.run(200);

  // First life: the leader takes the read in, and nobody answers its round.
  network.drops = ({ type }) => type === 'HeartbeatOk';
  startReads()
    .linearizable(network.nowMs + 5000)
    .catch(() => {});
  network.settle();
  reader.crash();
  network.propose(1, 'after');
  expect(network.payloads(1)).toEqual(['before', 'after']);

  // Second life, within an election timeout: its answer to a heartbeat confirms the round of the first.
  network.restart(2);
  network.drops = ({ type, to }) => to === 2 && type === 'Append';
  network.nowMs += 100;
  leader.tickAt(network.nowMs);
  leader.flush();
  for (const message of leader.collect()) network.deliver(message);
  expect(reader.raft.leader).toBe(1);
  const reads = startReads();
  const seen: string[][] = [];
  void reads.linearizable(network.nowMs + 5000).then(() => seen.push(network.payloads(2)));
  for (let ms = 0; ms < 400; ms += 100) {
    network.settle();
    for (const { context, index } of reader.reads.splice(0)) reads.answered(context, index);
    reads.applied(reader.raft.applied);
    await Promise.resolve();
    network.drops = () => false;
    network.run(100);
  }
  expect(seen).toEqual([['before', 'after']]);
});
