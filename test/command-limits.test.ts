// The limits of a command: what is over one is refused with the field and the limit.
import { describe, expect, test } from 'vitest';
import { commandLimits } from '../src/command.ts';
import { AppendCommand, type AppendCommandInput } from '../src/gen/proto.ts';
import {
  conversation,
  encode,
  type Field,
  refusal,
  sender,
  taken,
  text,
  wire,
} from './commands.ts';

describe('limits, each named with its field', () => {
  const tooLong = (value: string, limit: number) => ({ reason: 'TOO_LARGE', field: value, limit });

  test('body: nothing, 256 KiB, and no byte more', () => {
    const { bodyBytes } = commandLimits;
    expect(bodyBytes).toBe(262_144);
    taken(encode({}));
    taken(encode({ body: Buffer.alloc(bodyBytes) }));
    const over = encode({ body: Buffer.alloc(bodyBytes + 1) });
    expect(refusal(over)).toMatchObject(tooLong('body', bodyBytes));
  });

  test('key, sender and content type', () => {
    taken(encode({ key: 'k'.repeat(64), sender: 's'.repeat(128), contentType: 'c'.repeat(128) }));
    expect(refusal(encode({ key: 'k'.repeat(65) }))).toMatchObject({
      reason: 'BAD_KEY',
      field: 'key',
      limit: 64,
    });
    expect(refusal(encode({ sender: 'é'.repeat(65) }))).toMatchObject({
      reason: 'BAD_SENDER',
      field: 'sender',
      limit: 128,
    });
    const over = encode({ contentType: 'c'.repeat(129) });
    expect(refusal(over)).toMatchObject(tooLong('content_type', 128));
  });

  test('headers: 32 pairs and 4,096 bytes in all', () => {
    const pairs = (count: number) =>
      Array.from({ length: count }, () => ({ name: 'n', value: 'v' }));
    taken(encode({ headers: pairs(32) }));
    expect(refusal(encode({ headers: pairs(33) }))).toMatchObject(tooLong('headers', 32));
    // name: 3 bytes; value: tag, two bytes of length, text.
    taken(encode({ headers: [{ name: 'n', value: 'v'.repeat(4090) }] }));
    const over = encode({ headers: [{ name: 'n', value: 'v'.repeat(4091) }] });
    expect(refusal(over)).toMatchObject(tooLong('headers', 4096));
  });

  test('a conversation and a sender there must be, and a header needs a name', () => {
    const missing = (input: AppendCommandInput) => refusal(AppendCommand.encode(input));
    expect(missing({ sender: 'a' })).toMatchObject({
      reason: 'BAD_CONVERSATION',
      field: 'conversation',
    });
    expect(missing({ conversation: 'g:a' })).toMatchObject({
      reason: 'BAD_SENDER',
      field: 'sender',
    });
    expect(refusal(Buffer.alloc(0)).field).toBe('conversation');
    const nameless = wire(conversation, sender, [6, wire([2, text('v')])]);
    expect(refusal(nameless)).toMatchObject({ reason: 'BAD_COMMAND', field: 'headers' });
    expect(refusal(wire(conversation, sender, [6, text('')])).field).toBe('headers');
  });

  test.each([
    [1, 'conversation', 'BAD_CONVERSATION'],
    [2, 'sender', 'BAD_SENDER'],
    [3, 'key', 'BAD_KEY'],
    [5, 'content_type', 'BAD_COMMAND'],
    [6, 'headers', 'BAD_COMMAND'],
  ])('text of field %i that is not UTF-8 is refused as %s', (field, name, reason) => {
    for (const broken of ['ff', 'c3', 'eda080', '61c0af', 'f5808080']) {
      const bytes = Buffer.from(broken, 'hex');
      const spoilt: Field = [field, field === 6 ? wire([1, bytes]) : bytes];
      const fields = [conversation, sender, spoilt];
      const given = wire(...fields.filter((each) => each[0] !== field || each === spoilt));
      expect(refusal(given)).toMatchObject({ reason, field: name });
    }
  });

  test('the text of an event that is not UTF-8 is refused: no reader could decode it again', () => {
    for (const broken of ['ff', 'c3', 'eda080', '61c0af', 'f5808080']) {
      const device = wire([1, Buffer.from(broken, 'hex')]);
      const given = wire([1, text('s:alice')], sender, [19, device]);
      const message = 'device is not valid UTF-8';
      expect(refusal(given)).toMatchObject({ reason: 'BAD_COMMAND', field: 'device', message });
    }
    taken(encode({ conversation: 's:alice', registerDevice: { device: 'téléphone\0' } }));
  });
});

describe('chains and events', () => {
  const device = 'd'.repeat(64);
  const own = { conversation: 's:alice' };
  const good: [what: string, input: AppendCommandInput][] = [
    ['a link', { device, epoch: 1, clientSeq: 30, prevClientSeq: 20 }],
    ['the first link of an epoch', { clientSeq: 1, prevClientSeq: 0 }],
    ['a number without a chain', { clientSeq: 7 }],
    ['an empty policy: all defaults', { setPolicy: {} }],
    ['a policy at its limits', { setPolicy: { gapWaitMs: 60_000, pendingTtlMs: 86_400_000 } }],
    ['a policy that waits for nothing', { setPolicy: { gapWaitMs: 0, pendingTtlMs: 100 } }],
    ['a release', { release: { seq: 1 } }],
    ['a device of one byte', { ...own, registerDevice: { device: 'd' } }],
    ['a device of a tenant’s user', { conversation: 'tT/s:a', registerDevice: { device } }],
  ];
  test.each(good)('%s is taken', (_, input) => {
    taken(encode(input));
  });

  const bad: [what: string, field: string, limit: number | undefined, AppendCommandInput][] = [
    ['a device of 65 bytes', 'device', 64, { device: 'd'.repeat(65) }],
    ['prev_client_seq of itself', 'prev_client_seq', 5, { clientSeq: 5, prevClientSeq: 5 }],
    ['prev_client_seq alone', 'prev_client_seq', 0, { prevClientSeq: 0 }],
    ['an order that is not known', 'set_policy.order', undefined, { setPolicy: { order: 3 } }],
    [
      'an action that is not known',
      'set_policy.gap_action',
      undefined,
      { setPolicy: { gapAction: 4 } },
    ],
    [
      'an end that is not known',
      'set_policy.pending_end',
      undefined,
      { setPolicy: { pendingEnd: 3 } },
    ],
    [
      'a wait of over a minute',
      'set_policy.gap_wait_ms',
      60_000,
      { setPolicy: { gapWaitMs: 60_001 } },
    ],
    [
      'a ttl of 99 ms',
      'set_policy.pending_ttl_ms',
      86_400_000,
      { setPolicy: { pendingTtlMs: 99 } },
    ],
    [
      'a ttl of over a day',
      'set_policy.pending_ttl_ms',
      86_400_000,
      { setPolicy: { pendingTtlMs: 86_400_001 } },
    ],
    ['a release of nothing', 'release', undefined, { release: {} }],
    ['a reject of nothing', 'reject', undefined, { reject: {} }],
    ['a device without a name', 'device', 64, { ...own, registerDevice: {} }],
    ['a device in a group', 'conversation', undefined, { registerDevice: { device } }],
    ['a gap marker from outside', 'gap_marker', undefined, { gapMarker: { before: 2 } }],
    ['an event with a body', 'event', undefined, { release: { seq: 1 }, body: Buffer.from('x') }],
    ['an event that is pending', 'event', undefined, { release: { seq: 1 }, pending: true }],
    ['two events', 'event', undefined, { release: { seq: 1 }, reject: { seq: 1 } }],
  ];
  test.each(bad)('%s is refused and names %s', (_, field, limit, input) => {
    const { field: named, limit: said, message } = refusal(encode(input));
    expect([named, said]).toEqual([field, limit]);
    expect(message).not.toBe('');
  });
});
