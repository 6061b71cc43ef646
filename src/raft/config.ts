// The limits and periods of one replica that hold where nothing else was configured.

import type { RaftConfig } from './types.ts';

export const defaultRaftConfig: RaftConfig = {
  heartbeatMs: 100,
  electionTimeoutMs: 500,
  electionSpreadMs: 500,
  preVote: true,
  checkQuorum: true,
  lease: false,
  quiesceAfterMs: 3000,
  preferredFirstTimeoutMs: 100,
  peerDownDelayMs: 30,
  appendBytesMax: 1024 * 1024,
  inflightAppendsMax: 256,
  inflightBytesMax: 8 * 1024 * 1024,
  uncommittedBytesMax: 64 * 1024 * 1024,
  memoryBytesMax: 1024 * 1024,
};
