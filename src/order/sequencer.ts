// The leader's sequencer: gives each command its verdict, once, against the applied rows plus what
// this term proposed. Lives as long as the leader's term: what it proposed and lost dies with it.
import { assert } from '../assert.ts';
import { type Command, scanCommand } from '../command.ts';
import type { Refusal } from '../errors.ts';
import { type CommandsHeader, createColumns } from './header.ts';
import { IdSource } from './ids.ts';
import type { KeyPlace } from './page.ts';
import { headKey } from './row-keys.ts';
import type { Head } from './row-values.ts';
import type { Cold, Rows } from './rows.ts';

/** A checked command and the shard of its conversation. */
export interface Placed {
  readonly command: Command;
  readonly shard: number;
}

/** The numbers of an accepted command; with the entry's index, term and time they are its answer. */
export interface Numbers {
  readonly seq: number;
  readonly rev: number;
  readonly idMs: number;
  readonly idCounter: number;
  readonly shard: number;
}

export type Verdict =
  | { readonly kind: 'accepted'; readonly numbers: Numbers }
  /** The original stands at `place`, committed or proposed by this term. */
  | { readonly kind: 'duplicate'; readonly place: KeyPlace }
  /** `decided` = the refusal rests on state: it is answered once that state is committed and confirmed. */
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly decided: boolean };

/** Stored commands by place; null: not in memory (name it as cold). */
export type CommandSource = (place: KeyPlace) => Uint8Array | null;

/** What must be fetched before a command can be sequenced. */
export interface Needs {
  readonly rows: Cold[];
  readonly entries: Set<number>;
}

/** The entry under construction. */
export interface Draft {
  readonly index: number;
  readonly timeMs: number;
  readonly columns: CommandsHeader;
  readonly commands: Uint8Array[];
  commandBytes: number;
}

const accepting: { readonly kind: 'new' } = { kind: 'new' };

export class Sequencer {
  private readonly rows: Rows;
  private readonly ids: IdSource;
  private readonly stored: CommandSource;
  /** Heads and keys that this term proposed and that are not folded yet. */
  private readonly heads = new Map<string, Head>();
  private readonly proposed = new Map<string, KeyPlace>();

  /** To be made once everything of earlier terms is folded. */
  constructor(rows: Rows, stored: CommandSource) {
    this.rows = rows;
    this.ids = new IdSource(rows.highestIdMs);
    this.stored = stored;
  }

  /** Adds what this command needs and memory does not have. */
  collectNeeds(placed: Placed, nowMs: number, needs: Needs): void {
    const { command, shard } = placed;
    const { conversation } = command;
    if (this.head(conversation) === undefined) {
      needs.rows.push({ kind: 'head', conversation, key: headKey(shard, conversation) });
    }
    const known = this.findKey(command, nowMs);
    if (known.kind === 'cold') needs.rows.push({ kind: 'block', ...known.block });
    if (known.kind === 'place' && this.stored(known.place) === null) {
      needs.entries.add(known.place.index);
    }
  }

  open(index: number, timeMs: number): Draft {
    return { index, timeMs, columns: createColumns(), commands: [], commandBytes: 0 };
  }

  /** The verdict; an accepted command now stands in the draft. Order of checks: ordering.md, "Append". */
  sequence(placed: Placed, draft: Draft): Verdict {
    const { command } = placed;
    const known = this.findKey(command, draft.timeMs);
    assert(known.kind !== 'cold', 'needs were fetched before sequencing');
    if (known.kind === 'place') {
      const repeat = this.judgeRepeat(command, known.place, draft);
      if (repeat !== null) return repeat;
    }
    const head = this.head(command.conversation);
    assert(head !== undefined, 'needs were fetched before sequencing');
    const { expectedSeq } = command;
    if (expectedSeq !== null && expectedSeq !== head.seq) return mismatch(expectedSeq, head.seq);
    return this.accept(placed, head, draft);
  }

  /** What `discard` needs to put back; taken before an atomic batch's first command. */
  proposedHead(conversation: string): Head | undefined {
    return this.heads.get(conversation);
  }

  /** Undoes a draft of one conversation (an atomic batch): nothing of it was proposed. */
  discard(draft: Draft, conversation: string, before: Head | undefined): void {
    if (before === undefined) this.heads.delete(conversation);
    else this.heads.set(conversation, before);
    for (const [identity, place] of this.proposed) {
      if (place.index === draft.index) this.proposed.delete(identity);
    }
  }

  /** The entry at `index` was folded: the rows now say what was only proposed. */
  folded(index: number): void {
    for (const [conversation, head] of this.heads) {
      if (head.index > index) break;
      this.heads.delete(conversation);
    }
    for (const [identity, place] of this.proposed) {
      if (place.index > index) break;
      this.proposed.delete(identity);
    }
  }

  private head(conversation: string): Head | undefined {
    return this.heads.get(conversation) ?? this.rows.head(conversation);
  }

  private findKey(command: Command, nowMs: number) {
    if (!command.hasKey) return accepting;
    const identity = identityOf(command);
    const place = this.proposed.get(identity);
    return place === undefined
      ? this.rows.findKey(identity, nowMs)
      : { kind: 'place' as const, place };
  }

  /** null: only the hashes are equal, the command is new. */
  private judgeRepeat(command: Command, place: KeyPlace, draft: Draft): Verdict | null {
    const drafted = place.index === draft.index ? draft.commands[place.slot] : undefined;
    const bytes = drafted ?? this.stored(place);
    assert(bytes !== null, 'needs were fetched before sequencing');
    const scanned = scanCommand(bytes);
    if (scanned.kind !== 'command' || identityOf(scanned.command) !== identityOf(command)) {
      return null;
    }
    if (Buffer.compare(payloadOf(scanned.command), payloadOf(command)) === 0) {
      return { kind: 'duplicate', place };
    }
    const message = `the key was used with another body, content type or headers at seq ${place.seq}`;
    const refusal: Refusal = { reason: 'IDEMPOTENCY_MISMATCH', message, actual: place.seq };
    return { kind: 'refused', decided: true, refusal: { ...refusal, field: 'key' } };
  }

  private accept(placed: Placed, head: Head, draft: Draft): Verdict {
    const { command, shard } = placed;
    const id = this.ids.next(shard, draft.timeMs);
    if (id === null) return idsExhausted;
    const { columns, index } = draft;
    const slot = draft.commands.length;
    const seq = head.seq + 1;
    const rev = head.rev + 1;
    columns.lengths.push(command.bytes.length);
    columns.seqs.push(seq);
    columns.revs.push(rev);
    columns.idAheadMs.push(id.aheadMs);
    columns.idCounters.push(id.counter);
    columns.shards.push(shard);
    columns.previousBack.push(seq === 1 ? 0 : index - head.index);
    columns.previousSlots.push(head.slot);
    draft.commands.push(command.bytes);
    draft.commandBytes += command.bytes.length;
    // Deleted first, so that both maps stay in the order of index, which `folded` relies on.
    this.heads.delete(command.conversation);
    this.heads.set(command.conversation, { seq, rev, index, slot, extra: head.extra });
    if (command.hasKey) this.propose(identityOf(command), { seq, index, slot });
    const idMs = draft.timeMs + id.aheadMs;
    return { kind: 'accepted', numbers: { seq, rev, idMs, idCounter: id.counter, shard } };
  }

  private propose(identity: string, place: KeyPlace): void {
    this.proposed.delete(identity);
    this.proposed.set(identity, place);
  }
}

const idsExhausted: Verdict = {
  kind: 'refused',
  decided: false,
  refusal: {
    reason: 'BUSY',
    field: 'conversation',
    message: 'the shard has given all its ids up to 200 ms ahead',
    retryAfterMs: 50,
  },
};

/** What (conversation, sender, key) is known by in memory. */
function identityOf(command: Command): string {
  return Buffer.prototype.latin1Slice.call(command.bytes, 0, command.identityEnd);
}

function payloadOf(command: Command): Uint8Array {
  return command.bytes.subarray(command.identityEnd, command.payloadEnd);
}

function mismatch(expected: number, actual: number): Verdict {
  const message = `expected_seq is ${expected}, the head is ${actual}`;
  const refusal: Refusal = {
    reason: 'EXPECTED_SEQ_MISMATCH',
    field: 'expected_seq',
    message,
    actual,
  };
  return { kind: 'refused', decided: true, refusal };
}
