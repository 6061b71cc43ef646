// While an election goes on the map names no leader, and is answered at once: no reason to ask it in a
// loop that takes the processor from the election.
import { expect, it } from 'vitest';
import { PacelineClient } from '../../src/client/client.ts';
import type { ClientTransport } from '../../src/client/types.ts';
import { systemClock } from '../../src/clock.ts';
import { GetPartitionMapResponse, ShardMapping } from '../../src/gen/proto.ts';

const address = '127.0.0.1:1';

function createLeaderless() {
  const map = GetPartitionMapResponse.encode({
    version: 1,
    partitionCount: 1,
    mapping: ShardMapping.SHARD_MAPPING_MIX,
    nodes: [{ id: 1, address }],
    leaders: [{ partition: 0, leader: 0, term: 1 }],
  });
  const asked = { times: 0 };
  const transport: ClientTransport = {
    openStream: () => ({ send: () => {}, close: () => {} }),
    call: async (_address, rpc) => {
      asked.times += 1;
      return rpc.response.decode(map);
    },
    close: () => {},
  };
  return { transport, asked };
}

it('asks who leads a few dozen times a second at most, and says at the deadline that nobody did', async () => {
  const { transport, asked } = createLeaderless();
  const client = new PacelineClient({
    servers: [address],
    transport,
    clock: systemClock,
    random: () => 0.5,
    clientId: 'test',
    appendTimeoutMs: 300,
  });
  const append = client.append({ conversation: 'g:1', sender: 's', body: 'x' });
  await expect(append).rejects.toMatchObject({ reason: 'NO_LEADER' });
  await client.close();
  expect(asked.times).toBeGreaterThan(3);
  expect(asked.times).toBeLessThan(40);
});
