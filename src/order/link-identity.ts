// What a link is known by among the dedupe keys: (conversation, sender, device, epoch, client_seq).
import type { Link } from '../command.ts';

export function linkIdentity({ chain, device, epoch, clientSeq }: Link): string {
  return `\0${chain}\0${device}\0${epoch}\0${clientSeq}`;
}
