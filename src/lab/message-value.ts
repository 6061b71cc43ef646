// What a message of the lab's clients says: its value, and dots behind it that make it large.
import type { Message } from '../client/message.ts';
import type { StoredPair } from './history.ts';
import type { Random } from './random.ts';

export function bodyOf(value: string, random: Random): string {
  return random.chance(0.05) ? value.padEnd(random.between(100, 5000), '.') : value;
}

export function valueIn(body: Uint8Array): string {
  return Buffer.from(body).toString().replace(/\.+$/, '');
}

export function pairOf({ seq, body }: Pick<Message, 'seq' | 'body'>): StoredPair {
  return [seq, valueIn(body)];
}
