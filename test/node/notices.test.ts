// What a node's log says of what lasts: once, and again only when it has changed.
import { describe, expect, test } from 'vitest';
import { peerProtocolVersion } from '../../src/node/founding.ts';
import type { Hello, NodeId } from '../../src/transport/types.ts';
import { OneOfThree, partitions } from './one-of-three.ts';

function hello(node: NodeId, changes: Partial<Hello> = {}): Hello {
  return {
    ...{ version: peerProtocolVersion, cluster: 'test', node, to: 1, founding: null },
    ...{ storeUuid: Buffer.alloc(16, node), address: '', partitionCount: partitions },
    ...{ mapping: 'mix', ...changes },
  };
}

async function pass(one: OneOfThree, ticks: number): Promise<void> {
  for (let i = 0; i < ticks; i += 1) {
    one.stall(25);
    await one.settle();
  }
}

describe('the log of a node', () => {
  test('says what keeps it from being founded, until it is', async () => {
    const one = new OneOfThree(null);
    await one.node.start();
    await pass(one, 50);
    one.node.onHello(hello(3));
    await pass(one, 50);
    one.node.onHello(hello(2));
    await pass(one, 50);
    expect(one.told).toMatchObject([
      ['not founded yet', { waitsFor: 'the first contact with node 2, 3' }],
      ['not founded yet', { waitsFor: 'the first contact with node 2' }],
      ['cluster founded', { nodes: [1, 3, 2] }],
      ['serving', {}],
    ]);
  });

  test('says once why a peer is refused, however often it asks', async () => {
    const one = await new OneOfThree().start();
    one.told.splice(0);
    const other = hello(2, { cluster: 'other' });
    for (let i = 0; i < 100; i += 1) one.node.onHello(other);
    one.node.onHello(hello(3, { partitionCount: 8 }));
    one.node.onHello(other);
    const ofOther = ['peer refused', { peer: 2, refusal: expect.stringContaining('"other"') }];
    const ofThree = ['peer refused', { peer: 3, refusal: expect.stringContaining('8 partitions') }];
    expect(one.told).toEqual([ofOther, ofThree]);
    one.node.onHello(hello(2));
    one.node.onHello(other);
    expect(one.told).toEqual([ofOther, ofThree, ofOther]);
  });
});
