// A real node that is a cluster of its own, without network; what it appends may be proposed by hand.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { until } from '../../scripts/harness/until.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { createPayload } from '../../src/entry.ts';
import {
  defaultCluster,
  defaultLimits,
  defaultRaftConfig,
  type NodeConfig,
} from '../../src/node/config.ts';
import { Node } from '../../src/node/node.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { openStore } from '../../src/storage/level/store.ts';
import type { Transport } from '../../src/transport/types.ts';
import { entryOf, type Slot } from '../order/fixture.ts';

const noTransport: Transport = {
  start: () => {},
  send: () => false,
  helloChanged: () => {},
  connected: () => false,
  lastRefusal: () => null,
  close: async () => {},
};

export interface Alone {
  readonly node: Node;
  /** Stops it and removes what it kept. */
  stop(): Promise<void>;
}

/** Of one partition, which it leads. */
export async function startAlone(
  clock: Clock,
  settings: Partial<Pick<NodeConfig, 'limits' | 'raft'>> = {},
): Promise<Alone> {
  const directory = mkdtempSync(path.join(tmpdir(), 'paceline-test-'));
  const address = '127.0.0.1:1';
  const cluster = { ...defaultCluster('test'), partitions: 1 };
  const node = new Node({
    config: {
      ...{ id: 1, address, nodes: new Map([[1, address]]), cluster, version: 'test' },
      ...{ limits: defaultLimits, raft: defaultRaftConfig, ...settings },
    },
    ...{ store: await openStore({ directory }), transport: noTransport, clock },
    random: Math.random,
    randomBytes,
    log: () => {},
    onFatal: (error) => {
      throw error;
    },
  });
  await node.start();
  await until('it leads', 5000, () => node.replicas[0]?.ready === true);
  const stop = async () => {
    await node.stop();
    rmSync(directory, { recursive: true });
  };
  return { node, stop };
}

/** One entry, as a leader would have decided it; resolves once it is applied. Its index. */
export async function propose(node: Node, slotsAt: (index: number) => readonly Slot[]) {
  const { raft } = node.replicaOf(0);
  const index = raft.lastIndex + 1;
  const { header, commands } = entryOf(slotsAt(index), index);
  const payload = createPayload(header, [commands], commands.length);
  const payloadBytes = header.length + commands.length;
  const draft = { kind: EntryKind.COMMANDS, timeMs: raft.lastTimeMs, payload, payloadBytes };
  raft.propose(draft, systemClock.monotonicMs());
  await until('it is applied', 5000, () => raft.applied >= index);
  return index;
}
