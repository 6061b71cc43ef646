// Commands as bytes, right and wrong, and what the scanner says of them.
import { type Command, scanCommand } from '../src/command.ts';
import { AppendCommand, type AppendCommandInput } from '../src/gen/proto.ts';

export type Field = readonly [tag: number, value: Uint8Array | number];

export const text = (value: string) => Buffer.from(value);
export const conversation: Field = [1, text('g:lobby')];
export const sender: Field = [2, text('alice')];
export const key: Field = [3, text('k1')];
export const body: Field = [4, text('hello')];
export const contentType: Field = [5, text('text/plain')];
export const header: Field = [6, wire([1, text('name')], [2, text('value')])];
export const expected: Field = [7, 3];
export const all = [conversation, sender, key, body, contentType, header, expected];

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))];
}

/** Protobuf by hand, so that it can be wrong in every way. */
export function wire(...fields: Field[]): Buffer {
  const pieces = fields.flatMap(([tag, value]) =>
    typeof value === 'number'
      ? [...varint(tag * 8), ...varint(value)]
      : [...varint(tag * 8 + 2), ...varint(value.length), ...value],
  );
  return Buffer.from(pieces);
}

export function taken(bytes: Uint8Array): Command {
  const scanned = scanCommand(bytes);
  if (scanned.kind !== 'command') throw new Error(`not taken: ${JSON.stringify(scanned)}`);
  return scanned.command;
}

export function refusal(bytes: Uint8Array) {
  const scanned = scanCommand(bytes);
  if (scanned.kind !== 'refused') throw new Error(`not refused: ${scanned.kind}`);
  return scanned.refusal;
}

export const encode = (input: AppendCommandInput) =>
  AppendCommand.encode({ conversation: 'g:lobby', sender: 'alice', ...input });
