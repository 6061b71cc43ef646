// Flags of `paceline append`, and what they say of its answers.
import type { Appended } from '../client/append.ts';
import type { ServersFlag } from './connect.ts';

export interface AppendFlags extends ServersFlag {
  readonly sender: string;
  readonly key?: string;
  readonly contentType?: string;
  readonly expectedSeq?: string;
  readonly lines?: boolean;
  readonly json?: boolean;
  readonly timeout: string;
}

/** Without --key nobody else can have stored it before: the client itself has asked twice. */
export function isRepeat(
  { duplicate }: Pick<Appended, 'duplicate'>,
  { key }: Pick<AppendFlags, 'key'>,
): boolean {
  return duplicate && key !== undefined;
}
