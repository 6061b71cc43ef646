// Names of conversations: text for people and the wire, canonical bytes for hashing. Text that is not
// canonical is refused, never repaired, except that a pair named the wrong way round is sorted.
//   [t<tenant>/] p:<id>~<id> | s:<id> | g:<id> | y:<id> | h:<parent, escaped>~<root seq> | x:<id>

export const limits = { idBytes: 128, nameBytes: 512 } as const;

/** Type bytes of the canonical form; r (relaxed room) is kept for later and refused now. */
const typeBytes = { p: 1, s: 2, g: 3, r: 4, y: 5, h: 6, x: 7 } as const;
type TypeLetter = keyof typeof typeBytes;

export interface ConversationName {
  /** Canonical text. */
  readonly text: string;
  /** tenant | type byte | parts; each text as unsigned LEB128 length and raw bytes. */
  readonly canonical: Uint8Array;
  /** What the shard is computed of: its own canonical bytes, or its parent's for a thread. */
  readonly shardSource: Uint8Array;
  /** Both ids of a numeric pair, smaller first. */
  readonly numericPair: readonly [bigint, bigint] | null;
}

export interface BadName {
  readonly problem: string;
  readonly limit?: number;
}

const plainName = /^([sgyx]):([!-$&-.0-9;-}]+)$/;
const nameShape = /^(?:t([^/:~]+)\/)?([a-z])([0-9]*):(.*)$/s;
const canonicalId = /^(?:[!-$&-.0-9;-}]|%[0-9A-F]{2})+$/;
const canonicalStart = /^(?:[!-$&-.0-9;-}]|%[0-9A-F]{2})*/;
const numericId = /^(?:0|[1-9][0-9]{0,19})$/;
const uint64Max = 2n ** 64n;

/** Reads a name; never throws. */
export function parseConversation(text: string): ConversationName | BadName {
  if (text.length > limits.nameBytes) {
    return tooLong('it', Buffer.byteLength(text), limits.nameBytes);
  }
  const plain = plainName.exec(text);
  if (plain !== null) return plainConversation(text, plain);
  const shape = nameShape.exec(text);
  if (shape === null) return { problem: 'not [t<tenant>/]<type>:<id>, such as g:lobby' };
  const [, tenantText = '', letter = '', lanes = '', rest = ''] = shape;
  if (letter === 'r' || !isTypeLetter(letter) || lanes !== '') {
    return { problem: `type ${letter}${lanes} is not one of p, s, g, y, h, x` };
  }
  const tenant = tenantText === '' ? Buffer.alloc(0) : unescapeId(tenantText);
  if (!Buffer.isBuffer(tenant)) return tenant;
  if (letter === 'p') return parsePair(text, tenantText, tenant, rest);
  if (letter === 'h') return parseThread(text, tenant, rest);
  const id = unescapeId(rest);
  return Buffer.isBuffer(id) ? named(text, canonicalBytes(tenant, letter, [id])) : id;
}

export function isBadName(name: ConversationName | BadName): name is BadName {
  return 'problem' in name;
}

/** An id as it stands in a name: bytes outside 0x21-0x7e and % ~ : / as %XX. */
export function escapeId(id: string | Uint8Array): string {
  const bytes = typeof id === 'string' ? Buffer.from(id) : id;
  let text = '';
  for (const byte of bytes) text += mustEscape(byte) ? hex(byte) : String.fromCharCode(byte);
  return text;
}

function plainConversation(text: string, match: RegExpExecArray): ConversationName | BadName {
  const [, letter = '', id = ''] = match;
  if (id.length > limits.idBytes) return tooLong('an id', id.length, limits.idBytes);
  if (!isTypeLetter(letter)) return { problem: 'unknown type' };
  return named(text, canonicalBytes(Buffer.alloc(0), letter, [Buffer.from(id, 'latin1')]));
}

function named(text: string, canonical: Uint8Array): ConversationName {
  return { text, canonical, shardSource: canonical, numericPair: null };
}

function parsePair(
  text: string,
  tenantText: string,
  tenant: Buffer,
  rest: string,
): ConversationName | BadName {
  const [firstText = '', secondText = '', ...more] = rest.split('~');
  if (more.length > 0 || secondText === '') return { problem: 'a pair is p:<id>~<id>' };
  const first = unescapeId(firstText);
  const second = unescapeId(secondText);
  if (!Buffer.isBuffer(first)) return first;
  if (!Buffer.isBuffer(second)) return second;
  const numbers = numericPairOf(firstText, secondText);
  const order = numbers === null ? Buffer.compare(first, second) : compare(numbers[0], numbers[1]);
  if (order === 0)
    return { problem: 'a pair of one id with itself; its own conversation is s:<id>' };
  const sorted = order < 0;
  const prefix = tenantText === '' ? '' : `t${tenantText}/`;
  const parts = sorted ? [first, second] : [second, first];
  const canonical = canonicalBytes(tenant, 'p', parts);
  return {
    text: sorted ? text : `${prefix}p:${secondText}~${firstText}`,
    canonical,
    shardSource: canonical,
    numericPair: numbers === null || sorted ? numbers : [numbers[1], numbers[0]],
  };
}

function parseThread(text: string, tenant: Buffer, rest: string): ConversationName | BadName {
  const [parentText = '', seqText = '', ...more] = rest.split('~');
  if (more.length > 0 || !isSeq(seqText)) {
    return { problem: 'a thread is h:<parent, escaped>~<root seq>' };
  }
  const parentBytes = unescapeId(parentText, limits.nameBytes);
  if (!Buffer.isBuffer(parentBytes)) return parentBytes;
  const parent = parseConversation(parentBytes.toString('latin1'));
  if (isBadName(parent)) return { ...parent, problem: `parent: ${parent.problem}` };
  if (parent.text !== parentBytes.toString('latin1')) return { problem: 'parent is not canonical' };
  const canonical = canonicalBytes(tenant, 'h', [parentBytes, Buffer.from(seqText)]);
  return {
    text,
    canonical,
    shardSource: parent.shardSource,
    numericPair: parent.numericPair,
  };
}

/** Raw bytes of an escaped id, or what is wrong with it. */
function unescapeId(text: string, bytesMax: number = limits.idBytes): Buffer | BadName {
  if (text === '') return { problem: 'an id is empty' };
  if (!canonicalId.test(text)) return { problem: misspelt(text) };
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== '%') {
      bytes.push(text.charCodeAt(at));
      continue;
    }
    const byte = Number.parseInt(text.slice(at + 1, at + 3), 16);
    if (!mustEscape(byte)) {
      return { problem: `${hex(byte)} must be written ${String.fromCharCode(byte)}` };
    }
    bytes.push(byte);
    at += 2;
  }
  return bytes.length > bytesMax ? tooLong('an id', bytes.length, bytesMax) : Buffer.from(bytes);
}

/** Of an id that is not canonical: its first character that may not stand there, and how to write it. */
function misspelt(text: string): string {
  const rest = text.slice(canonicalStart.exec(text)?.[0].length ?? 0);
  const [lowerCase] = /^%[0-9A-Fa-f]{2}/.exec(rest) ?? [];
  if (lowerCase !== undefined) return `${lowerCase} must be written ${lowerCase.toUpperCase()}`;
  const [character = ''] = rest;
  const code = character.codePointAt(0) ?? 0;
  const isShown = character === ' ' || !/[\p{C}\p{Z}]/u.test(character);
  const shown = isShown
    ? `'${character}'`
    : `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
  return `${shown} must be written ${[...Buffer.from(character)].map(hex).join('')}`;
}

function tooLong(what: string, bytes: number, limit: number): BadName {
  return { problem: `${what} has ${bytes} bytes, the limit is ${limit}`, limit };
}

function mustEscape(byte: number): boolean {
  return byte < 0x21 || byte > 0x7d || byte === 0x25 || byte === 0x2f || byte === 0x3a;
}

function hex(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

function isSeq(text: string): boolean {
  return numericId.test(text) && text !== '0' && BigInt(text) < uint64Max;
}

function isTypeLetter(letter: string): letter is TypeLetter {
  return letter in typeBytes;
}

function numericPairOf(first: string, second: string): [bigint, bigint] | null {
  if (!numericId.test(first) || !numericId.test(second)) return null;
  const pair: [bigint, bigint] = [BigInt(first), BigInt(second)];
  return pair[0] < uint64Max && pair[1] < uint64Max ? pair : null;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function canonicalBytes(tenant: Buffer, letter: TypeLetter, parts: readonly Buffer[]): Buffer {
  const pieces = [...lengthPrefixed(tenant), Buffer.from([typeBytes[letter]])];
  for (const part of parts) pieces.push(...lengthPrefixed(part));
  return Buffer.concat(pieces);
}

function lengthPrefixed(bytes: Buffer): Buffer[] {
  const { length } = bytes;
  const prefix = length < 0x80 ? [length] : [(length & 0x7f) | 0x80, length >> 7];
  return [Buffer.from(prefix), bytes];
}
