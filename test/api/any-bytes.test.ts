// Whatever bytes a client sends on a stream: they are taken, or refused by name. Any other error, and a rejection
// that nobody hears, would end the process, and so the streams of everybody else.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../scripts/harness/until.ts';
import { AppendSession } from '../../src/api/append-session.ts';
import { checkCommand } from '../../src/api/check.ts';
import { encodeToken } from '../../src/api/read-token.ts';
import { Subscription } from '../../src/api/subscription.ts';
import { systemClock } from '../../src/clock.ts';
import { PacelineError } from '../../src/errors.ts';
import {
  AppendCommand,
  type AppendResult,
  AppendSessionResponse,
  SubscribeRequest,
} from '../../src/gen/proto.ts';
import { type Alone, startAlone } from './alone.ts';

let alone: Alone;

beforeAll(async () => {
  alone = await startAlone(systemClock);
});

afterAll(() => alone.stop());

const of = { conversation: 'g:x', sender: 's' };
const bases = [
  AppendCommand.encode({ ...of, key: 'k', headers: [{ name: 'a', value: 'b' }], clientSeq: 3 }),
  AppendCommand.encode({ ...of, setPolicy: { order: 1, gapWaitMs: 5 } }),
  AppendCommand.encode({ ...of, device: 'd', body: Buffer.from('hi'), prevClientSeq: 0 }),
];
interface Change {
  readonly at: number;
  readonly kind: number;
  readonly byte: number;
  readonly zeros: number;
}

/** At a place of the bytes: another byte, one more, or a varint that goes on and on. */
const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(),
  kind: fc.nat(2),
  byte: fc.nat(255),
  zeros: fc.nat(6),
});

function changed(bytes: Buffer, { at: anywhere, kind, byte, zeros }: Change): Buffer {
  const at = anywhere % bytes.length;
  const [before, here, after] = [bytes.subarray(0, at), bytes[at] ?? 0, bytes.subarray(at + 1)];
  if (kind === 0) return Buffer.concat([before, Buffer.from([byte]), after]);
  if (kind === 1) return Buffer.concat([before, Buffer.from([byte, here]), after]);
  const long = Buffer.from([here | 0x80, ...Array<number>(zeros).fill(0x80), 0]);
  return Buffer.concat([before, long, after]);
}

test('as a command: it is one, or refused', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...bases),
      fc.array(change, { minLength: 1, maxLength: 3 }),
      (base, changes) => {
        const checked = checkCommand(alone.node, changes.reduce(changed, base));
        expect('reason' in checked || 'command' in checked).toBe(true);
      },
    ),
    { numRuns: 20_000 },
  );
});

test('a session refuses lengths and tags of six bytes, and a field 0, and goes on', async () => {
  const results: AppendResult[] = [];
  const session = new AppendSession(alone.node, (bytes) => {
    const { groups } = AppendSessionResponse.decode(bytes);
    results.push(...groups.flatMap((each) => each.results));
  });
  const malformed = [
    '0a838080808000673a78120173',
    '8a808080800003673a78120173',
    '0a03673a78128180007382010408010005',
  ].map((hex) => Buffer.from(hex, 'hex'));
  // In another conversation: that of the last of them can be read, and its order is broken.
  const other = AppendCommand.encode({ conversation: 'g:y', sender: 's' });
  for (const [i, command] of [...malformed, other].entries()) {
    const group = Buffer.concat([Buffer.from([0x2a, command.length]), command]);
    session.take(Buffer.concat([Buffer.from([0x08, i + 1, 0x12, group.length]), group]));
  }
  await until('all are answered', 5000, () => results.length === malformed.length + 1);
  const bad = malformed.map(() => 'BAD_COMMAND');
  expect(results.map(({ error }) => error?.reason)).toEqual([...bad, undefined]);
});

test('as the start of a subscription: it begins, or is refused', async () => {
  const readToken = encodeToken(alone.node, 0, 1);
  const starts = [
    { conversation: 'g:x', afterSeq: 3, readToken, credits: 5, viewer: 'v' },
    { partition: 0, afterIndex: 2, credits: 70_000, readToken },
    { conversation: 'g:x', afterRev: 3, credits: 2_000_000, readToken: Buffer.from('no token') },
  ].map((start) => SubscribeRequest.encode({ start }));
  const begin = (request: Buffer) => {
    const subscription = new Subscription(alone.node, { write: () => true, fail() {} });
    try {
      subscription.take(request);
    } catch (error) {
      expect(error).toBeInstanceOf(PacelineError);
    }
    subscription.close();
  };
  for (const start of starts) begin(start);
  const changes = fc.array(change, { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(fc.constantFrom(...starts), changes, (start, each) => {
      begin(each.reduce(changed, start));
    }),
    { numRuns: 5000 },
  );
  // What they waited for has been said: a rejection that nobody hears fails this file.
  await new Promise((resolve) => setTimeout(resolve, 50));
});
