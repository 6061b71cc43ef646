// The scanner that reads commands without unpacking them, against protobufjs, which unpacks them: what
// it takes is exactly the canonical form, and what it refuses names the field and the limit.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { scanCommand } from '../src/command.ts';
import { encodeCanonical } from '../src/gen/canonical.ts';
import { AppendCommand, type AppendCommandInput } from '../src/gen/proto.ts';
import { readIdentity } from '../src/stored-command.ts';
import {
  all,
  body,
  contentType,
  conversation,
  encode,
  expected,
  type Field,
  header,
  key,
  refusal,
  sender,
  taken,
  text,
  wire,
} from './commands.ts';

const latin = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

/** Commands within all limits; optional fields absent or not empty, as an encoder leaves them. */
const inputs: fc.Arbitrary<AppendCommandInput> = fc.record(
  {
    conversation: fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 512 }),
    sender: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }).filter(fits(128)),
    key: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }).filter(fits(64)),
    body: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    contentType: fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 128 }),
    headers: fc.array(
      fc.record(
        {
          name: fc.string({ minLength: 1, maxLength: 9 }),
          value: fc.string({ minLength: 1, maxLength: 9 }),
        },
        { requiredKeys: ['name'] },
      ),
      { maxLength: 5 },
    ),
    expectedSeq: fc.nat(),
  },
  { requiredKeys: ['conversation', 'sender'] },
);

function fits(bytes: number) {
  return (value: string) => Buffer.byteLength(value) <= bytes;
}

describe('what protobufjs encodes', () => {
  test('is taken as it is, and cut where its fields end', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const bytes = AppendCommand.encode(input);
        const command = taken(bytes);
        const { conversation: name, sender: by, key: idempotency, expectedSeq, ...payload } = input;
        const identity = { conversation: name ?? '', sender: by ?? '', key: idempotency ?? '' };
        expect(command.bytes).toBe(bytes);
        expect(command.conversation).toBe(name);
        const known = latin(bytes.subarray(0, command.identityEnd));
        expect(command.identity).toBe(idempotency === undefined ? '' : known);
        expect(command.expectedSeq).toBe(expectedSeq ?? null);
        const [first, second] = [command.identityEnd, command.payloadEnd];
        const identityOnly = idempotency === undefined ? { ...identity, key: undefined } : identity;
        expect(latin(bytes.subarray(0, first))).toBe(
          latin(AppendCommand.encode(drop(identityOnly))),
        );
        expect(latin(bytes.subarray(first, second))).toBe(latin(AppendCommand.encode(payload)));
      }),
    );
  });

  test('is read by readIdentity as scanCommand reads it, long names and senders too', () => {
    fc.assert(
      fc.property(inputs, fc.boolean(), fc.boolean(), (input, longName, longSender) => {
        const name = longName ? `g:${'n'.repeat(300)}` : (input.conversation ?? '');
        const by = longSender ? 's'.repeat(128) : (input.sender ?? '');
        const bytes = AppendCommand.encode({ ...input, conversation: name, sender: by });
        const command = taken(bytes);
        const identity = readIdentity(bytes);
        expect(identity.conversation).toBe(command.conversation);
        expect(latin(bytes.subarray(0, identity.keyEnd))).toBe(command.identity);
      }),
    );
  });

  function drop(input: Record<string, string | undefined>): AppendCommandInput {
    return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
  }
});

describe('expected_seq', () => {
  test('0 is asked for, not absent; the largest is 2^53 - 1', () => {
    expect(taken(encode({ expectedSeq: 0 })).expectedSeq).toBe(0);
    expect(taken(encode({})).expectedSeq).toBeNull();
    expect(taken(wire(conversation, sender, [7, 2 ** 53 - 1])).expectedSeq).toBe(2 ** 53 - 1);
    const over = Buffer.concat([
      wire(conversation, sender),
      Buffer.from('38ffffffffffffffffff01', 'hex'),
    ]);
    expect(refusal(over)).toMatchObject({ reason: 'BAD_COMMAND', field: 'command' });
  });
});

describe('what is not canonical is never taken as it is', () => {
  const header2: Field = [6, wire([2, text('value')], [1, text('name')])];
  const spoilt: readonly (readonly [string, Buffer])[] = [
    ['fields out of order', wire(sender, conversation)],
    ['body before key', wire(conversation, sender, body, key)],
    ['expected_seq before headers', wire(conversation, sender, expected, header)],
    ['headers that are not together', wire(conversation, sender, header, contentType, header)],
    ['a header value before its name', wire(conversation, sender, header2)],
    ...all
      .filter((field) => field !== header)
      .map((field) => {
        const twice = all.flatMap((each) => (each === field ? [each, each] : [each]));
        return [`field ${field[0]} twice`, wire(...twice)] as const;
      }),
    ['an explicit empty key', wire(conversation, sender, [3, text('')], body)],
    ['an explicit empty body', wire(conversation, sender, [4, text('')])],
    ['an explicit empty content type', wire(conversation, sender, [5, text('')])],
    [
      'an explicit empty header value',
      wire(conversation, sender, [6, wire([1, text('n')], [2, text('')])]),
    ],
    [
      'a name given twice in a header',
      wire(conversation, sender, [6, wire([1, text('n')], [1, text('m')])]),
    ],
    ['an unknown field', wire(...all, [15, text('x')])],
    ['an unknown varint field', wire(...all, [21, 1])],
    ['field number 0', wire(...all, [0, text('x')])],
    [
      'an unknown field in a header',
      wire(conversation, sender, [6, wire([1, text('n')], [3, text('x')])]),
    ],
    ['a body that is a varint', wire(conversation, sender, [4, 5])],
    ['an expected_seq that is bytes', wire(conversation, sender, [7, text('5')])],
  ];

  test.each(spoilt)('%s', (_, bytes) => {
    expect(scanCommand(bytes).kind).not.toBe('command');
  });

  test.each(spoilt)('%s: is refused, or canonical once decoded and encoded again', (_, bytes) => {
    const scanned = scanCommand(bytes);
    if (scanned.kind === 'refused') {
      expect(scanned.refusal.field).not.toBe('');
      return;
    }
    const again = encodeCanonical(bytes);
    expect(taken(again).bytes).toBe(again);
    expect(AppendCommand.decode(again)).toEqual(AppendCommand.decode(bytes));
  });

  test('no varint may be longer than it has to be, nor hide high bits', () => {
    const bytes = wire(...all);
    taken(bytes);
    // Where tags and lengths stand.
    const places: number[] = [];
    let at = 0;
    for (const [, value] of all) {
      places.push(at, ...(typeof value === 'number' ? [] : [at + 1]));
      at += 2 + (typeof value === 'number' ? 0 : value.length);
    }
    const longValue = Buffer.concat([bytes.subarray(0, -1), Buffer.from([0x83, 0x00])]);
    expect(scanCommand(longValue).kind).toBe('reorder');
    for (const place of places) {
      for (const tail of [[0x00], [0x80, 0x00], [0x80, 0x80, 0x80, 0x80, 0x10]]) {
        const longer = Buffer.concat([
          bytes.subarray(0, place),
          Buffer.from([(bytes[place] ?? 0) | 0x80, ...tail]),
          bytes.subarray(place + 1),
        ]);
        expect(scanCommand(longer).kind, `at ${place}`).not.toBe('command');
      }
    }
  });

  test('nor within a header', () => {
    const name = [...wire([1, text('n')])];
    for (const tag of [
      [0x8a, 0x00],
      [0x8a, 0x80, 0x80, 0x80, 0x10],
    ]) {
      const pair = Buffer.from([...tag, ...name.slice(1)]);
      expect(scanCommand(wire(conversation, sender, [6, pair])).kind).not.toBe('command');
    }
    const pair = Buffer.from([0x0a, 0x81, 0x00, 0x6e]);
    expect(scanCommand(wire(conversation, sender, [6, pair])).kind).toBe('reorder');
  });
});

describe('any bytes', () => {
  test('never make it throw, and what it takes, protobufjs gives back unchanged', () => {
    const short = fc.uint8Array({ maxLength: 5 });
    const parts = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.nat(3));
    const nested = fc.array(parts, { maxLength: 4 }).map((some) => wire(...some));
    const anyField: fc.Arbitrary<Field> = fc.oneof(
      fc.tuple(fc.integer({ min: 1, max: 21 }), short),
      fc.tuple(fc.integer({ min: 7, max: 14 }), fc.nat(300)),
      fc.tuple(fc.integer({ min: 16, max: 20 }), nested),
      short.map((device): Field => [19, wire([1, device])]),
      fc.constantFrom(...all),
    );
    const bytesOf = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.array(anyField, { maxLength: 8 }).map((some) => wire(conversation, sender, ...some)),
      fc.tuple(inputs, fc.nat(600), fc.nat(255)).map(([input, at, value]) => {
        const bytes = Buffer.from(AppendCommand.encode(input));
        bytes[at % bytes.length] = value;
        return bytes;
      }),
    );
    fc.assert(
      fc.property(bytesOf, (bytes) => {
        expect(readIdentity(bytes).keyEnd).toBeLessThanOrEqual(bytes.length);
        const scanned = scanCommand(bytes);
        if (scanned.kind === 'refused') return;
        const again = encodeCanonical(bytes);
        if (scanned.kind === 'reorder') {
          expect(latin(again)).not.toBe(latin(bytes));
          expect(scanCommand(again).kind).not.toBe('reorder');
          return;
        }
        expect(latin(again)).toBe(latin(bytes));
        const { conversation: name, identity } = scanned.command;
        const link = scanned.command.link?.clientSeq ? scanned.command.link : null;
        const keyEnd = identity.length;
        expect(readIdentity(bytes)).toEqual({ conversation: name, keyEnd, link });
        const between = Buffer.concat([Buffer.alloc(3, 0xff), bytes, bytes]);
        const end = 3 + bytes.length;
        const moved = { conversation: name, keyEnd: keyEnd && keyEnd + 3, link };
        expect(readIdentity(between, 3, end)).toEqual(moved);
      }),
      { numRuns: 3000 },
    );
  });
});
