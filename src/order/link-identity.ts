// What a link is known by among the dedupe keys: (conversation, sender, device, epoch, client_seq).
import type { Link } from '../command.ts';

export function linkIdentity({ chain, device, epoch, clientSeq }: Link): string {
  const identity = `\0${chain}\0${device}\0${epoch}\0${clientSeq}`;
  return hasNul(chain, device) ? `\0${chain.length}${identity}` : identity;
}

/** In the sender or the device: where one ends and the other begins could then not be told. */
function hasNul(chain: string, device: string): boolean {
  return device.includes('\0') || chain.indexOf('\0') !== chain.lastIndexOf('\0');
}
