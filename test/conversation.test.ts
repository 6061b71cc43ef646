// The grammar of conversation names: what is taken, what is refused and why, and that canonical bytes
// tell apart everything that text tells apart.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BadName,
  type ConversationName,
  escapeId,
  isBadName,
  limits,
  parseConversation,
} from '../src/conversation.ts';
import { createPlaces, shardOf } from '../src/shard.ts';

function good(text: string): ConversationName {
  const name = parseConversation(text);
  if (isBadName(name)) throw new Error(`${text}: ${name.problem}`);
  return name;
}

function bad(text: string): BadName {
  const name = parseConversation(text);
  if (!isBadName(name)) throw new Error(`${text} was taken`);
  return name;
}

/** Reads canonical bytes back: only if that gives what went in can no two names share them. */
function readCanonical(bytes: Uint8Array): { tenant: string; type: number; parts: string[] } {
  let at = 0;
  const part = () => {
    let length = bytes[at++] ?? 0;
    if (length >= 0x80) length = (length & 0x7f) | ((bytes[at++] ?? 0) << 7);
    at += length;
    expect(at).toBeLessThanOrEqual(bytes.length);
    return Buffer.from(bytes.subarray(at - length, at)).toString('hex');
  };
  const tenant = part();
  const type = bytes[at++] ?? 0;
  const parts: string[] = [];
  while (at < bytes.length) parts.push(part());
  return { tenant, type, parts };
}

const idBytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('the grammar', () => {
  test.each([
    'p:alice~bob',
    'p:9~10',
    'p:0~18446744073709551615',
    's:alice',
    'g:lobby',
    'g:a_b-c.d!$&;}',
    'y:billing',
    'x:order@7',
    'tacme/g:lobby',
    'tacme/p:1~2',
    'g:caf%C3%A9',
    'g:a%20b%25%7E%3A%2F',
    'g:%00',
    'h:g%3Alobby~17',
    'h:p%3Aalice%7Ebob~1',
    'h:tacme%2Fg%3Alobby~3',
    'h:h%3Ag%253Alobby%7E17~2',
  ])('takes %s as it stands', (text) => {
    expect(good(text).text).toBe(text);
  });

  test.each([
    ['', /not \[t<tenant>\/\]<type>:<id>/],
    ['lobby', /not \[t<tenant>\/\]<type>:<id>/],
    ['G:lobby', /not \[t<tenant>\/\]<type>:<id>/],
    ['t/g:lobby', /not \[t<tenant>\/\]<type>:<id>/],
    [' g:lobby', /not \[t<tenant>\/\]<type>:<id>/],
    ['q:lobby', /type q is not one of/],
    ['g2:lobby', /type g2 is not one of/],
    ['r:lobby', /type r is not one of/],
    ['r4:lobby', /type r4 is not one of/],
    ['g:', /an id is empty/],
    ['p:~b', /an id is empty/],
    ['p:a', /a pair is p:<id>~<id>/],
    ['p:a~', /a pair is p:<id>~<id>/],
    ['p:a~b~c', /a pair is p:<id>~<id>/],
    ['p:a~a', /with itself.*s:<id>/],
    ['p:7~7', /with itself.*s:<id>/],
    ['g:a b', /^' ' must be written %20$/],
    ['g:a/b', /^'\/' must be written %2F$/],
    ['g:a:b', /^':' must be written %3A$/],
    ['g:a~b', /^'~' must be written %7E$/],
    ['g:a%2', /^'%' must be written %25$/],
    ['g:%20%2f', /^%2f must be written %2F$/],
    ['g:é', /^'é' must be written %C3%A9$/],
    ['g:🙂 x', /^'🙂' must be written %F0%9F%99%82$/],
    ['g:a\n', /^U\+000A must be written %0A$/],
    ['g:%41', /^%41 must be written A$/],
    ['t%41/g:a', /^%41 must be written A$/],
    ['tb c/g:a', /^' ' must be written %20$/],
    ['h:g%3Alobby', /a thread is/],
    ['h:g%3Alobby~0', /a thread is/],
    ['h:g%3Alobby~01', /a thread is/],
    ['h:g%3Alobby~x', /a thread is/],
    ['h:lobby~1', /parent: not/],
    ['h:g%3A~1', /parent: an id is empty/],
    ['h:p%3Ab%7Ea~1', /parent is not canonical/],
  ])('refuses %j and says why', (text, problem) => {
    expect(bad(text).problem).toMatch(problem);
  });

  test('never throws, and keeps what it takes stable, whatever the text', () => {
    const alphabet = fc.constantFrom(...'tpsgyhxr/:~%0123456789ABFaf é\u0000');
    const text = fc.string({ unit: alphabet, maxLength: 40 });
    fc.assert(
      fc.property(text, (raw) => {
        const name = parseConversation(raw);
        if (!isBadName(name)) expect(good(name.text)).toEqual(name);
        else expect(name.problem).not.toBe('');
      }),
      { numRuns: 2000 },
    );
  });
});

describe('pairs', () => {
  test('(a, b) and (b, a) are one conversation', () => {
    fc.assert(
      fc.property(idBytes, idBytes, (a, b) => {
        fc.pre(hex(a) !== hex(b));
        const there = good(`p:${escapeId(a)}~${escapeId(b)}`);
        const back = good(`p:${escapeId(b)}~${escapeId(a)}`);
        expect(back).toEqual(there);
      }),
    );
  });

  test('two numbers below 2^64 are sorted by value', () => {
    expect(good('p:10~9')).toMatchObject({ text: 'p:9~10', numericPair: [9n, 10n] });
    expect(good('p:9~10').text).toBe('p:9~10');
    const max = 18446744073709551615n;
    expect(good(`p:${max}~2`)).toMatchObject({ text: `p:2~${max}`, numericPair: [2n, max] });
  });

  test.each(['p:10~09', 'p:18446744073709551616~2', 'p:10~9a'])(
    '%s is not numeric, and sorted by bytes',
    (text) => {
      const { numericPair, text: canonical } = good(text);
      expect(numericPair).toBeNull();
      const ids = canonical.slice(2).split('~');
      expect([...ids].sort()).toEqual(ids);
    },
  );

  test('ids that differ in any byte are two ids', () => {
    expect(hex(good('p:a%00~b').canonical)).not.toBe(hex(good('p:a~b').canonical));
  });
});

describe('canonical bytes', () => {
  const letters = { s: 2, g: 3, y: 5, x: 7 } as const;
  const letter = fc.constantFrom('s' as const, 'g' as const, 'y' as const, 'x' as const);
  const tenant = fc.option(idBytes, { nil: null });
  const prefixOf = (bytes: Uint8Array | null) => (bytes === null ? '' : `t${escapeId(bytes)}/`);

  test('hold the tenant, the type and every id, so that no two names share them', () => {
    fc.assert(
      fc.property(tenant, letter, idBytes, (owner, type, id) => {
        const { canonical } = good(`${prefixOf(owner)}${type}:${escapeId(id)}`);
        expect(readCanonical(canonical)).toEqual({
          tenant: owner === null ? '' : hex(owner),
          type: letters[type],
          parts: [hex(id)],
        });
      }),
    );
  });

  test('of a pair hold both ids, the smaller first', () => {
    fc.assert(
      fc.property(idBytes, idBytes, (a, b) => {
        const ids = [hex(a), hex(b)].sort();
        fc.pre(ids[0] !== ids[1] && !ids.every((id) => /^(3[0-9])+$/.test(id)));
        const { canonical } = good(`p:${escapeId(a)}~${escapeId(b)}`);
        expect(readCanonical(canonical)).toEqual({ tenant: '', type: 1, parts: ids });
      }),
    );
  });

  test('do not collide where concatenated ids would', () => {
    expect(hex(good('p:a_b~c').canonical)).not.toBe(hex(good('p:a~b_c').canonical));
    expect(hex(good('ta/g:b').canonical)).not.toBe(hex(good('g:ab').canonical));
    expect(hex(good('g:a').canonical)).not.toBe(hex(good('s:a').canonical));
    expect(hex(good('p:1~23').canonical)).not.toBe(hex(good('p:12~3').canonical));
  });

  test('carry lengths over 127 in two bytes', () => {
    const id = 'a'.repeat(128);
    const { parts } = readCanonical(good(`g:${id}`).canonical);
    expect(parts).toEqual([hex(Buffer.from(id))]);
  });
});

describe('escapes and limits', () => {
  test('any id survives being escaped and parsed', () => {
    fc.assert(
      fc.property(idBytes, (id) => {
        const escaped = escapeId(id);
        expect(escaped).toMatch(/^[\x21-\x7d]+$/);
        expect(escapeId(Buffer.from(id))).toBe(escaped);
        expect(good(`x:${escaped}`).text).toBe(`x:${escaped}`);
      }),
    );
    expect(escapeId('é/~')).toBe('%C3%A9%2F%7E');
  });

  test('an id has at most 128 bytes, counted before escaping', () => {
    expect(limits).toEqual({ idBytes: 128, nameBytes: 512 });
    expect(good(`g:${'a'.repeat(128)}`).text).toHaveLength(130);
    expect(good(`g:${'%00'.repeat(128)}`).text).toHaveLength(386);
    for (const text of [
      `g:${'a'.repeat(129)}`,
      `g:${'%00'.repeat(129)}`,
      `p:b~${'a'.repeat(129)}`,
    ]) {
      expect(bad(text)).toEqual({ problem: 'an id has 129 bytes, the limit is 128', limit: 128 });
    }
    expect(bad(`t${'a'.repeat(129)}/g:b`).limit).toBe(128);
  });

  test('a name has at most 512 bytes', () => {
    const [first, second] = ['%01'.repeat(84), '%02'.repeat(84)];
    const longest = `p:${first}aa~${second}bbb`;
    expect(longest).toHaveLength(512);
    expect(good(longest).text).toBe(longest);
    expect(bad(`${longest}b`)).toEqual({
      problem: 'it has 513 bytes, the limit is 512',
      limit: 512,
    });
  });
});

describe('threads', () => {
  const shardByMix = (text: string) => shardOf(good(text), 'mix');

  test('are on the shard of their parent, and a thread of a thread on the root parent’s', () => {
    expect(shardByMix('h:g%3Alobby~17')).toBe(shardByMix('g:lobby'));
    expect(shardByMix('h:h%3Ag%253Alobby%7E17~2')).toBe(shardByMix('g:lobby'));
    expect(shardByMix('h:tacme%2Fg%3Alobby~17')).toBe(shardByMix('tacme/g:lobby'));
    expect(shardOf(good('h:p%3A5%7E9~4'), 'tt_sum')).toBe(14);
    expect(shardOf(good('h:p%3A5%7E9~4'), 'tt_one')).toBe(5);
  });

  test('are told apart by parent and by root', () => {
    const canonical = (text: string) => hex(good(text).canonical);
    const names = ['h:g%3Aa~1', 'h:g%3Aa~11', 'h:g%3Aa1~1', 'h:x%3Aa~1', 'ta/h:g%3Aa~1'];
    expect(new Set(names.map(canonical)).size).toBe(names.length);
  });
});

test('a place known by both spellings of a pair is one place, also after more names than it keeps', () => {
  const placeOf = createPlaces('mix', 4);
  const names = ['p:b~a', 'g:1', 'g:2', 'g:3', 'g:4', 'g:5', 'p:a~b', 'p:b~a'];
  const places = names.map((name) => placeOf(name));
  expect(places.at(-1)).toEqual(places[0]);
  expect(places.at(-2)).toEqual({ text: 'p:a~b', shard: shardByName('p:a~b') });
  expect(placeOf('p:a~a')).toHaveProperty('problem');
});

function shardByName(text: string): number {
  return shardOf(good(text), 'mix');
}
