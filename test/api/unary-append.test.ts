// A unary append, on a real node that is a cluster of its own: the command is taken out of the request as it
// came, whichever way a client's protobuf wrote it, and the response is an AppendResponse.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createUnaryMethods, type UnaryMethod } from '../../src/api/unary.ts';
import { systemClock } from '../../src/clock.ts';
import { policyLimits } from '../../src/command-event.ts';
import { AppendCommand, AppendRequest, AppendResponse } from '../../src/gen/proto.ts';
import { rpcs } from '../../src/gen/services.ts';
import { heartbeat, OneOfThree, partitions } from '../node/one-of-three.ts';
import { type Alone, startAlone } from './alone.ts';

let alone: Alone;
let unary: UnaryMethod | undefined;

beforeAll(async () => {
  alone = await startAlone(systemClock);
  const forwarder = { append: () => Promise.reject(new Error('nobody to forward to')) };
  unary = createUnaryMethods(alone.node, forwarder).find(({ path }) => path === rpcs.append.path);
});

afterAll(() => alone.stop());

async function append(request: Buffer): Promise<AppendResponse> {
  if (unary === undefined) throw new Error('there is an rpc to append by');
  return AppendResponse.decode(await unary.answer(request));
}

function field(tag: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([tag, bytes.length]), bytes]);
}

const sender = 's';

describe('a unary append', () => {
  test('is answered with its place and the node that decided', async () => {
    const command = { conversation: 'g:one', sender, body: Buffer.from('hi') };
    const { result, servedBy } = await append(AppendRequest.encode({ command }));
    expect(Number(result?.seq)).toBe(1);
    expect(result?.readToken.length).toBeGreaterThan(0);
    expect(servedBy).toBe(1);
  });

  test('is the same command in another order of fields', async () => {
    const command = { conversation: 'g:order', sender, key: 'k' };
    const conversation = AppendCommand.encode({ conversation: 'g:order' });
    const rest = AppendCommand.encode({ sender, key: 'k' });
    const first = await append(AppendRequest.encode({ command }));
    const again = await append(field(0x0a, Buffer.concat([rest, conversation])));
    expect(again.result).toMatchObject({ duplicate: true, seq: first.result?.seq });
  });

  test('of a command in two parts is that of both together', async () => {
    const command = { conversation: 'g:parts', sender, key: 'k' };
    const conversation = AppendCommand.encode({ conversation: 'g:parts' });
    const rest = AppendCommand.encode({ sender, key: 'k' });
    const first = await append(AppendRequest.encode({ command }));
    const again = await append(Buffer.concat([field(0x0a, conversation), field(0x0a, rest)]));
    expect(again.result).toMatchObject({ duplicate: true, seq: first.result?.seq });
  });

  test.each([
    ['café', "conversation: 'é' must be written %C3%A9"],
    [`a${'é'.repeat(600)}`, 'conversation: it has 1203 bytes, the limit is 512'],
  ])('with a name that is not ASCII is refused as Read refuses it: %.5s', async (id, text) => {
    const command = { conversation: `g:${id}`, sender };
    const refusal = { reason: 'BAD_CONVERSATION', message: text };
    await expect(append(AppendRequest.encode({ command }))).rejects.toMatchObject(refusal);
  });

  test('takes no notice of fields it does not know', async () => {
    const command = { conversation: 'g:unknown', sender };
    const unknown = Buffer.from([0x7a, 1, 0]);
    const { result } = await append(Buffer.concat([unknown, AppendRequest.encode({ command })]));
    expect(Number(result?.seq)).toBe(1);
  });

  test.each([
    ['without a command', AppendRequest.encode({ forwarded: true }), 'command'],
    ['that is cut off', Buffer.from([0x0a, 200, 1]), 'request'],
    ['of other bytes', Buffer.from('garbage'), 'request'],
    ['with a field 0', Buffer.from([0, 0]), 'request'],
  ])('%s is refused', async (_, request, at) => {
    await expect(append(request)).rejects.toMatchObject({ reason: 'BAD_REQUEST', field: at });
  });

  test.each([
    ['is cut off', '0ac8'],
    ['has a length of six bytes', '0a838080808000673a78120173'],
    ['has a tag of six bytes', '8a808080800003673a78120173'],
    ['has a header with a field 0', '0a03673a78128180007382010408010005'],
    ['has a field of a later version', '0a03673a78120173c80101'],
  ])('whose command %s is refused', async (_, hex) => {
    const request = field(0x0a, Buffer.from(hex, 'hex'));
    await expect(append(request)).rejects.toMatchObject({ reason: 'BAD_COMMAND' });
  });

  test.each([
    ['a part of the command', [0x0a, 1, 0x20]],
    ['whether it was forwarded', [0x10, 0]],
    ['a field it does not know', [0x7a, 0]],
  ])('that says very often %s is refused before that is read', async (_, part) => {
    const parts = Buffer.alloc(1024 * part.length, Buffer.from(part));
    const request = Buffer.concat([parts, AppendRequest.encode({ forwarded: true })]);
    await expect(append(request)).rejects.toMatchObject({ field: 'request' });
  });
});

test('that may be held is waited for at the leader as long as a hold lasts', async () => {
  const one = await new OneOfThree().start();
  for (let partition = 0; partition < partitions; partition++) one.receive(partition, heartbeat(2));
  await one.settle();
  const waitedMs: number[] = [];
  const forwarder = {
    append: async (_address: string, _request: Buffer, timeoutMs: number) => {
      waitedMs.push(timeoutMs);
      return AppendResponse.encode({});
    },
  };
  const methods = createUnaryMethods(one.node, forwarder);
  const forwarding = methods.find(({ path }) => path === rpcs.append.path);
  const command = { conversation: 'g:one', sender, clientSeq: 2 };
  await forwarding?.answer(AppendRequest.encode({ command }));
  await forwarding?.answer(AppendRequest.encode({ command: { ...command, prevClientSeq: 1 } }));
  const { leaderWaitMs } = one.node.config.limits;
  expect(waitedMs).toEqual([leaderWaitMs, leaderWaitMs + policyLimits.gapWaitMs]);
});
