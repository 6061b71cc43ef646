// The leader's sequencer: gives each command its verdict, once, against the applied rows plus what
// this term proposed. Lives as long as the leader's term: what it proposed and lost dies with it.
import { assert } from '../assert.ts';
import { type Command, type Link, scanCommand } from '../command.ts';
import type { CommandEvent } from '../command-event.ts';
import type { Refusal } from '../errors.ts';
import { type Chain, type ChainRow, hasNoRoom, isSimple, judgeLink, openGap } from './chains.ts';
import {
  type CommandsHeader,
  createColumns,
  plainSlot,
  type SlotExtra,
  SlotKind,
} from './header.ts';
import { IdSource } from './ids.ts';
import { encodeGapMarker } from './leader-commands.ts';
import { linkIdentity } from './link-identity.ts';
import type { KeyPlace } from './page.ts';
import { type EffectivePolicy, noExtra, policyOf } from './policy.ts';
import { Proposed } from './proposed.ts';
import * as refusals from './refusals.ts';
import { chainKey, headKey, stateKey } from './row-keys.ts';
import type { Head, PendingState } from './row-values.ts';
import { type Cold, type Rows, stateName } from './rows.ts';

/** A checked command and the shard of its conversation. */
export interface Placed {
  readonly command: Command;
  readonly shard: number;
}

/** Stored: the numbers of the message, the original's where it is a duplicate. */
export interface Stored {
  readonly kind: 'stored';
  readonly duplicate: boolean;
  readonly seq: number;
  readonly rev: number;
  readonly idMs: number;
  readonly idCounter: number;
  readonly shard: number;
  readonly timeMs: number;
  readonly index: number;
  readonly term: number;
  /** A late one: rev of the marker in its place, 0 = none. */
  readonly lateFor: number | null;
  /** Given by a registration. */
  readonly epoch: number;
}

/** It may wait for its predecessor; 0 ms: its wait is over at once. */
export interface HeldVerdict {
  readonly kind: 'held';
  readonly last: number;
  readonly waitMs: number;
  /** What becomes of it then. */
  readonly rejects: boolean;
}

export type Verdict =
  /** It stands in the draft: its answer, once the entry is committed. */
  | Stored
  /** The original stands at `place`, committed or proposed by this term. */
  | { readonly kind: 'duplicate'; readonly place: KeyPlace }
  /** `decided` = the refusal rests on state: it is answered once that state is committed and confirmed. */
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly decided: boolean }
  | HeldVerdict;

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
  readonly term: number;
  readonly timeMs: number;
  readonly columns: CommandsHeader;
  readonly commands: Uint8Array[];
  commandBytes: number;
}

/** How a command comes to the sequencer: newly, from a hold, or after its wait in a hold ended. */
export type Arrival = 'new' | 'held' | 'waited';

export class Sequencer {
  private readonly rows: Rows;
  private readonly ids: IdSource;
  private readonly stored: CommandSource;
  /** What this term proposed and is not folded yet. */
  private readonly heads = new Proposed<Head>();
  private readonly keys = new Proposed<KeyPlace>();
  private readonly chains = new Proposed<ChainRow>();
  private readonly states = new Proposed<PendingState | null>();

  /** To be made once everything of earlier terms is folded. */
  constructor(rows: Rows, stored: CommandSource) {
    this.rows = rows;
    this.ids = new IdSource(rows.highestIdMs);
    this.stored = stored;
  }

  /** Rises when rows were written: what memory had may then be gone. */
  get rowsVersion(): number {
    return this.rows.version;
  }

  /**
   * Adds what this command needs and memory does not have. True: it needs nothing, and will not until
   * something is sequenced or rows are written.
   */
  collectNeeds(placed: Placed, nowMs: number, needs: Needs): boolean {
    const { command, shard } = placed;
    const { conversation, identity, link, event } = command;
    const hasHead = this.head(conversation) !== undefined;
    if (!hasHead)
      needs.rows.push({ kind: 'head', conversation, key: headKey(shard, conversation) });
    const isNew = identity === '' || this.needIdentity(identity, nowMs, needs);
    if (link === null && event === null) return hasHead && isNew;
    this.collectChainAndState(placed, nowMs, needs);
    return false;
  }

  private collectChainAndState({ command, shard }: Placed, nowMs: number, needs: Needs): void {
    const { conversation, link, event } = command;
    if (link !== null && link.clientSeq > 0) this.needIdentity(linkIdentity(link), nowMs, needs);
    if (link !== null && link.prev !== null && this.chainRow(link) === undefined) {
      const name = link.chain;
      needs.rows.push({ kind: 'chains', name, key: chainKey(shard, name) });
    }
    if (event === null) return;
    if (event.kind !== 'release' && event.kind !== 'reject') return;
    const name = stateName(conversation, event.seq);
    if (this.state(name) !== undefined) return;
    needs.rows.push({ kind: 'state', name, key: stateKey(shard, conversation, event.seq) });
  }

  open(index: number, timeMs: number, term: number): Draft {
    return { index, term, timeMs, columns: createColumns(), commands: [], commandBytes: 0 };
  }

  /** The verdict; an accepted command now stands in the draft. Order of checks: ordering.md, "Append". */
  sequence(placed: Placed, draft: Draft, arrival: Arrival = 'new'): Verdict {
    const { command } = placed;
    const repeat = this.judgeRepeat(command, draft);
    if (repeat !== null) return repeat;
    const head = this.head(command.conversation);
    assert(head !== undefined, 'needs were fetched before sequencing');
    const { event, link } = command;
    if (event !== null) return this.judgeEvent(placed, event, head, draft);
    const policy =
      link === null ? null : policyOf(command.conversation, head.extra?.policy ?? null);
    if (link === null || link.prev === null || policy === null || !policy.chainsCount) {
      return refuseByHead(command, head) ?? this.accept(placed, head, draft, null, null);
    }
    const row = this.chainRow(link);
    assert(row !== undefined, 'needs were fetched before sequencing');
    const inChain = { ...link, prev: link.prev };
    const judged = judgeLink(row ?? [], inChain);
    switch (judged.kind) {
      case 'next': {
        const { lateFor } = judged;
        return refuseByHead(command, head) ?? this.accept(placed, head, draft, judged.row, lateFor);
      }
      case 'fenced':
        return refusals.fenced(link.epoch, judged.epoch);
      case 'too-many-devices':
        return refusals.tooManyDevices;
      case 'passed':
        return refusals.passed(link.clientSeq, judged.last);
      case 'ahead': {
        const { gapAction, gapWaitMs } = policy;
        const rejects = gapAction === 'reject';
        if (arrival !== 'waited') {
          return { kind: 'held', last: judged.last, waitMs: gapWaitMs, rejects };
        }
        if (rejects) return refusals.senderGap(inChain.prev, judged.last);
        if (hasNoRoom(row ?? [], link)) return refusals.tooManyDevices;
        const refusal = refuseByHead(command, head);
        if (refusal !== null) return refusal;
        return this.acceptBehindGap(placed, inChain, judged.last, gapAction === 'mark', draft);
      }
    }
  }

  /** Where the chain of this link stands, if it has begun. */
  chainOf(link: Link): Chain | undefined {
    return this.chainRow(link)?.find(({ device }) => device === link.device);
  }

  /** Whether a predecessor of it is missing. */
  isAhead(link: Link): boolean {
    const chain = this.chainOf(link);
    const last = chain?.epoch === link.epoch ? chain.last : 0;
    return link.prev !== null && link.prev > last && link.epoch >= (chain?.epoch ?? 0);
  }

  /** In force for what is sequenced next. */
  policyOf(conversation: string): EffectivePolicy {
    return policyOf(conversation, this.head(conversation)?.extra?.policy ?? null);
  }

  /** What is sequenced from now on can be taken back by `rollback`, until `keep`. */
  begin(): void {
    for (const proposed of this.proposed) proposed.begin();
  }

  keep(): void {
    for (const proposed of this.proposed) proposed.keep();
  }

  rollback(): void {
    for (const proposed of this.proposed) proposed.rollback();
  }

  /** The entry at `index` was folded: the rows now say what was only proposed. */
  folded(index: number): void {
    for (const proposed of this.proposed) proposed.folded(index);
  }

  private get proposed() {
    return [this.heads, this.keys, this.chains, this.states];
  }

  private head(conversation: string): Head | undefined {
    return this.heads.get(conversation) ?? this.rows.head(conversation);
  }

  private chainRow(link: Link): ChainRow | null | undefined {
    return this.chains.get(link.chain) ?? this.rows.chains.get(link.chain);
  }

  private state(name: string): PendingState | null | undefined {
    const proposed = this.states.get(name);
    return proposed === undefined ? this.rows.states.get(name) : proposed;
  }

  private findKey(identity: string, nowMs: number) {
    const place = this.keys.get(identity);
    return place === undefined
      ? this.rows.findKey(identity, nowMs)
      : { kind: 'place' as const, place };
  }

  /** null: it was not stored before. */
  judgeRepeat(command: Command, draft: Draft): Verdict | null {
    const { link, identity } = command;
    const byKey = identity === '' ? null : this.judgeIdentity(command, identity, draft);
    if (byKey !== null || link === null || link.clientSeq === 0) return byKey;
    return this.judgeIdentity(command, linkIdentity(link), draft);
  }

  private judgeIdentity(command: Command, identity: string, draft: Draft): Verdict | null {
    const known = this.findKey(identity, draft.timeMs);
    assert(known.kind !== 'cold', 'needs were fetched before sequencing');
    return known.kind === 'new' ? null : this.compare(command, identity, known.place, draft);
  }

  /** True: it was not used before. */
  private needIdentity(identity: string, nowMs: number, needs: Needs): boolean {
    const known = this.findKey(identity, nowMs);
    if (known.kind === 'cold') needs.rows.push({ kind: 'block', ...known.block });
    else if (known.kind === 'place' && this.stored(known.place) === null) {
      needs.entries.add(known.place.index);
    }
    return known.kind === 'new';
  }

  /** null: only the hashes are equal, the command is new. */
  private compare(
    command: Command,
    identity: string,
    place: KeyPlace,
    draft: Draft,
  ): Verdict | null {
    const drafted = place.index === draft.index ? draft.commands[place.slot] : undefined;
    const bytes = drafted ?? this.stored(place);
    assert(bytes !== null, 'needs were fetched before sequencing');
    const scanned = scanCommand(bytes);
    if (scanned.kind !== 'command') return null;
    if (!identitiesOf(scanned.command).includes(identity)) return null;
    return samePayload(scanned.command, command)
      ? { kind: 'duplicate', place }
      : refusals.keyMismatch(place.seq);
  }

  private judgeEvent(placed: Placed, event: CommandEvent, head: Head, draft: Draft): Verdict {
    const { conversation } = placed.command;
    const before = head.extra ?? noExtra;
    switch (event.kind) {
      case 'set-policy': {
        const after = { ...before, policy: event.policy };
        return this.acceptEvent(placed, head, draft, {
          kind: SlotKind.POLICY,
          conversation: after,
        });
      }
      case 'register-device': {
        const epoch = before.epochs + 1;
        const after = { ...before, epochs: epoch };
        return this.acceptEvent(placed, head, draft, {
          ...{ kind: SlotKind.DEVICE, conversation: after, epoch },
        });
      }
      case 'release':
      case 'reject': {
        const name = stateName(conversation, event.seq);
        const state = this.state(name);
        assert(state !== undefined, 'needs were fetched before sequencing');
        if (state?.kind !== 'pending') return refusals.notPending(event.seq);
        const isRelease = event.kind === 'release';
        const kind = isRelease ? SlotKind.RELEASE : SlotKind.REJECT;
        const { dueMs } = state;
        const extra = { kind, conversation: head.extra, target: event.seq, dueMs };
        const verdict = this.acceptEvent(placed, head, draft, extra);
        const next = isRelease ? null : ({ kind: 'rejected', dueMs } as const);
        if (verdict.kind === 'stored') this.states.set(name, next, draft.index);
        return verdict;
      }
    }
  }

  /** Its predecessor is not waited for any more. */
  private acceptBehindGap(
    placed: Placed,
    link: Link & { readonly prev: number },
    last: number,
    marks: boolean,
    draft: Draft,
  ): Verdict {
    const { command, shard } = placed;
    const head = this.head(command.conversation);
    assert(head !== undefined, 'the head was there a moment ago');
    const row = openGap(this.chainRow(link) ?? [], link, marks ? head.rev + 1 : 0);
    if (marks) {
      const marker = encodeGapMarker(command, link, last);
      const extra = { kind: SlotKind.GAP, conversation: head.extra, chains: row };
      const marked = this.acceptEvent({ command: marker, shard }, head, draft, extra);
      if (marked.kind !== 'stored') return marked;
      this.chains.set(link.chain, row, draft.index);
    }
    const judged = judgeLink(row, link);
    const after = this.head(command.conversation);
    assert(judged.kind === 'next' && after !== undefined, 'the gap ends before the command');
    return this.accept(placed, after, draft, judged.row, null);
  }

  /** `chains`: the row after it, where it is a link of a chain. */
  private accept(
    placed: Placed,
    head: Head,
    draft: Draft,
    chains: ChainRow | null,
    lateFor: number | null,
  ): Verdict {
    const { command } = placed;
    const { link, pending } = command;
    const isPlain = head.extra === null && lateFor === null && !pending;
    const isNext = chains === null || (link !== null && isSimple(chains, link));
    const extra = isPlain && isNext ? null : messageExtra(command, head, draft, chains, lateFor);
    const verdict = this.append(placed, head, draft, extra);
    if (verdict.kind !== 'stored') return verdict;
    if (chains !== null && link !== null) this.chains.set(link.chain, chains, draft.index);
    if (pending && extra !== null) {
      const name = stateName(command.conversation, verdict.seq);
      this.states.set(name, { kind: 'pending', dueMs: extra.dueMs }, draft.index);
    }
    return verdict;
  }

  private acceptEvent(
    placed: Placed,
    head: Head,
    draft: Draft,
    extra: Partial<SlotExtra> & Pick<SlotExtra, 'kind' | 'conversation'>,
  ): Verdict {
    return this.append(placed, head, draft, { ...plainSlot, ...extra });
  }

  /** Puts it into the draft. */
  private append(placed: Placed, head: Head, draft: Draft, extra: SlotExtra | null): Verdict {
    const { command, shard } = placed;
    const id = this.ids.next(shard, draft.timeMs);
    if (id === null) return refusals.idsExhausted;
    const { columns, index, term, timeMs } = draft;
    const slot = draft.commands.length;
    const isMessage = command.event === null && extra?.kind !== SlotKind.GAP;
    const seq = head.seq + (isMessage ? 1 : 0);
    const rev = head.rev + 1;
    columns.lengths.push(command.bytes.length);
    columns.seqs.push(seq);
    columns.revs.push(rev);
    columns.idAheadMs.push(id.aheadMs);
    columns.idCounters.push(id.counter);
    columns.shards.push(shard);
    columns.previousBack.push(head.seq === 0 ? 0 : index - head.index);
    columns.previousSlots.push(head.slot);
    if (extra !== null) columns.extras.set(slot, extra);
    draft.commands.push(command.bytes);
    draft.commandBytes += command.bytes.length;
    // An event leaves the place of the newest message; it is proposed in this entry all the same.
    const newest = {
      seq,
      rev,
      index: isMessage ? index : head.index,
      slot: isMessage ? slot : head.slot,
      extra: extra === null ? null : extra.conversation,
    };
    this.heads.set(command.conversation, newest, index);
    const { link } = command;
    // Of its own: an event has none.
    const own = isMessage ? seq : 0;
    const at = { seq: own, index, slot };
    if (command.identity !== '') this.keys.set(command.identity, at, index);
    if (link !== null && link.clientSeq > 0) this.keys.set(linkIdentity(link), at, index);
    return {
      kind: 'stored',
      duplicate: false,
      seq: own,
      rev,
      idMs: timeMs + id.aheadMs,
      idCounter: id.counter,
      shard,
      timeMs,
      index,
      term,
      lateFor: extra === null ? null : extra.lateFor,
      epoch: extra === null ? 0 : extra.epoch,
    };
  }
}

/** Of a message that is not plain. */
function messageExtra(
  { conversation, pending }: Command,
  { extra }: Head,
  { timeMs }: Draft,
  chains: ChainRow | null,
  lateFor: number | null,
): SlotExtra {
  const common = { ...plainSlot, lateFor, chains };
  if (!pending) return { ...common, conversation: extra };
  const { pendingTtlMs, pendingEnd } = policyOf(conversation, extra?.policy ?? null);
  return {
    ...common,
    kind: SlotKind.PENDING,
    conversation: extra,
    target: pendingEnd === 'release' ? 1 : 0,
    dueMs: timeMs + pendingTtlMs,
  };
}

/** null: the head is as the command asks. */
function refuseByHead({ expectedSeq, seenSeq }: Command, { seq }: Head): Verdict | null {
  if (expectedSeq !== null && expectedSeq !== seq) return refusals.mismatch(expectedSeq, seq);
  return seenSeq > seq ? refusals.seenTooFar(seenSeq, seq) : null;
}

/** What a retry of it is known by: its key, and its number. */
function identitiesOf(command: Command): string[] {
  const { link, identity } = command;
  const identities = identity === '' ? [] : [identity];
  if (link !== null && link.clientSeq > 0) identities.push(linkIdentity(link));
  return identities;
}

/** Body, content type and headers, or the event. */
export function samePayload(one: Command, other: Command): boolean {
  if (Buffer.compare(payloadOf(one), payloadOf(other)) !== 0) return false;
  if (one.event === null && other.event === null) return true;
  const eventOf = ({ bytes, identityEnd }: Command) => bytes.subarray(identityEnd);
  return (
    one.event?.kind === other.event?.kind && Buffer.compare(eventOf(one), eventOf(other)) === 0
  );
}

function payloadOf(command: Command): Uint8Array {
  return command.bytes.subarray(command.identityEnd, command.payloadEnd);
}
