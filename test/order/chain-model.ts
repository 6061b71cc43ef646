// The leader's verdicts, the slow way: a list of what is stored, looked through from its beginning
// for every question. Chains, policies and heads are never kept, always found again. Written from
// ordering.md, "Append", without a look at the sequencer; what that leaves open is named "Choice".
import { assert } from '../../src/assert.ts';
import { checkInvariants, type Told } from './chain-invariants.ts';
import {
  type Answer,
  bytesOf,
  type Event,
  isSameChain,
  isSameClientSeq,
  isSameKey,
  isSamePayload,
  type Outcome,
  type Policy,
  policyOf,
  type Refused,
  type Sent,
  type Slot,
  type Step,
  type Stored,
} from './chain-steps.ts';

export const modelLimits = { gaps: 16, devices: 16, heldMessages: 64, heldBytes: 1024 * 1024 };

/** Messages after `after` up to `upTo` are missing; markerRev 0 = skipped. */
interface Gap {
  readonly after: number;
  readonly upTo: number;
  readonly markerRev: number;
}

interface Chain {
  readonly epoch: number;
  readonly last: number;
  readonly gaps: readonly Gap[];
}

interface Hold {
  readonly sent: Sent;
  readonly sinceMs: number;
  /** Attempts that get its last word: its own and those that joined. */
  readonly ids: number[];
}

/** Where a link belongs in its chain. */
type Place =
  | { readonly kind: 'unchained' }
  | { readonly kind: 'next' }
  | { readonly kind: 'late'; readonly gap: Gap }
  | { readonly kind: 'ahead'; readonly last: number; readonly want: number };

/** `wait`: it is ahead of its chain, and whoever asked has to say what becomes of it. */
type Verdict =
  | { readonly kind: 'store'; readonly place: Place }
  | { readonly kind: 'wait'; readonly last: number; readonly want: number }
  | Outcome;
type Ended = Exclude<Verdict, { kind: 'wait' }>;

export class ChainModel {
  /** How often each rule decided. */
  readonly hits = new Map<string, number>();
  private readonly limits: typeof modelLimits;
  private slots: Slot[] = [];
  /** In order of arrival. */
  private held: Hold[] = [];
  private nowMs = 0;
  private steps = 0;
  private committed = 0;
  private told: Told[] = [];

  /** Other limits are for negative controls. */
  constructor(limits: Partial<typeof modelLimits> = {}) {
    this.limits = { ...modelLimits, ...limits };
  }

  /** All answers that this step brought, last words of held commands among them. */
  apply(step: Step): readonly Answer[] {
    this.steps += 1;
    this.told = [];
    switch (step.kind) {
      case 'append':
        for (const sent of step.sent) this.take(sent);
        break;
      case 'pass':
        this.passTime(step.ms);
        break;
      case 'commit':
        assert(step.through >= this.committed && step.through < this.steps, 'commit in order');
        this.committed = step.through;
        break;
      case 'leader':
        this.changeLeader(step.through);
        break;
      case 'checkpoint':
      case 'evict':
        break;
    }
    checkInvariants(this.slots, this.told, this.steps);
    return this.told;
  }

  /** What stands in a conversation behind a rev. */
  stored(conversation: string, afterRev: number): Stored[] {
    return this.slotsOf(conversation)
      .filter(({ rev }) => rev > afterRev)
      .map(({ seq, rev, late, lateFor, sent }) => {
        return { seq, rev, late, lateFor, command: bytesOf(sent) };
      });
  }

  headSeq(conversation: string): number {
    return this.slotsOf(conversation).filter(({ seq }) => seq > 0).length;
  }

  pendingSeqs(conversation: string): number[] {
    const slots = this.slotsOf(conversation);
    const ended = slots.map(({ sent: { event } }) =>
      event?.kind === 'release' || event?.kind === 'reject' ? event.seq : 0,
    );
    return slots
      .filter(({ sent, seq }) => sent.pending && seq > 0 && !ended.includes(seq))
      .map(({ seq }) => seq);
  }

  get stepCount(): number {
    return this.steps;
  }

  get committedThrough(): number {
    return this.committed;
  }

  private take(sent: Sent): void {
    assert(sent.prev === undefined || sent.prev < (sent.clientSeq ?? 0), 'links go upwards');
    if (this.join(sent)) return;
    const verdict = this.judge(sent, false);
    if (verdict.kind !== 'wait') {
      this.settle(sent, [sent.id], verdict);
      return;
    }
    const { last: resendFrom, want } = verdict;
    const hold = { sent, sinceMs: this.nowMs, ids: [sent.id] };
    const others = this.heldWith(sent);
    const bytes = [...others, hold].reduce((sum, each) => sum + bytesOf(each.sent).length, 0);
    if (this.policy(sent.conversation).waitMs === 0) {
      this.hit('a wait of 0 ms');
      this.takeUnheld(sent);
    } else if (others.length >= this.limits.heldMessages || bytes > this.limits.heldBytes) {
      this.hit(bytes > this.limits.heldBytes ? 'holds full by bytes' : 'holds full by messages');
      this.answer(sent.id, sent, gapRefusal(resendFrom, want));
    } else {
      this.hit('held');
      this.held.push(hold);
      this.answer(sent.id, sent, { kind: 'held', resendFrom, want });
    }
  }

  /** Choice: what is held before it goes on first, as long as that brings it nearer; no limit counts. */
  private takeUnheld(sent: Sent): void {
    while (this.placeOf(sent).kind === 'ahead') {
      const { action } = this.policy(sent.conversation);
      const before = this.heldWith(sent).filter((hold) => !isAfter(hold.sent, sent));
      const [lowest] = action === 'REJECT' ? this.heldWith(sent) : before;
      if (lowest === undefined) break;
      if (action === 'REJECT') for (const each of this.heldWith(sent)) this.endRejected(each);
      else this.endHold(lowest, ended(this.judge(lowest.sent, true)));
    }
    const { action } = this.policy(sent.conversation);
    const verdict = this.judge(sent, action !== 'REJECT');
    if (verdict.kind === 'wait') this.hit('gap action REJECT at once');
    const gap = verdict.kind === 'wait' ? gapRefusal(verdict.last, verdict.want) : verdict;
    this.settle(sent, [sent.id], gap);
  }

  /** Choice: on any chain of the sender, link or not, and only where the payload is the same. */
  private join(sent: Sent): boolean {
    if (this.originalOf(sent) !== undefined) return false;
    const same = this.held.find(
      (hold) => sent.key && isSameKey(hold.sent, sent) && isSamePayload(hold.sent, sent),
    );
    if (same === undefined) return false;
    this.hit('joined a held command');
    same.ids.push(sent.id);
    const chain = this.chainOf(same.sent);
    const resendFrom = chain?.epoch === (same.sent.epoch ?? 0) ? chain.last : 0;
    this.answer(sent.id, sent, { kind: 'held', resendFrom, want: same.sent.prev ?? 0 });
    return true;
  }

  /** In the contract's order. `opens`: a gap is opened for what is ahead of its chain. */
  private judge(sent: Sent, opens: boolean): Verdict {
    const original = this.originalOf(sent);
    if (original !== undefined) return this.judgeRepeat(sent, original);
    const place = this.placeOf(sent);
    if (place.kind === 'refused') return place;
    if (place.kind === 'ahead' && !opens) return { ...place, kind: 'wait' };
    if (place.kind !== 'unchained' && this.isDeviceTooMany(sent)) {
      return { kind: 'refused', reason: 'QUOTA', field: 'device', limit: this.limits.devices };
    }
    const head = this.headSeq(sent.conversation);
    if (sent.expectedSeq !== undefined && sent.expectedSeq !== head) {
      return { kind: 'refused', reason: 'EXPECTED_SEQ_MISMATCH', actual: head };
    }
    if ((sent.seenSeq ?? 0) > head) return { kind: 'refused', reason: 'IN_FUTURE', actual: head };
    const { event } = sent;
    if (event?.kind === 'release' || event?.kind === 'reject') {
      const isPending = this.pendingSeqs(sent.conversation).includes(event.seq);
      if (!isPending) return { kind: 'refused', reason: 'NOT_PENDING' };
    }
    return { kind: 'store', place };
  }

  /** (1): by key, else by client_seq. */
  private originalOf(sent: Sent): Slot | undefined {
    const slots = this.slotsOf(sent.conversation);
    return (
      slots.find((slot) => sent.key && isSameKey(slot.sent, sent)) ??
      slots.find((slot) => sent.clientSeq && isSameClientSeq(slot.sent, sent))
    );
  }

  private judgeRepeat(sent: Sent, original: Slot): Verdict {
    const { seq, rev, epoch } = original;
    this.hit(sent.key && isSameKey(original.sent, sent) ? 'same key' : 'same client_seq');
    if (isSamePayload(original.sent, sent)) return { kind: 'duplicate', seq, rev, epoch };
    return { kind: 'refused', reason: 'IDEMPOTENCY_MISMATCH', actual: seq };
  }

  /** (2) to (6). */
  private placeOf(sent: Sent): Place | Refused {
    const { prev, clientSeq = 0, epoch = 0 } = sent;
    const isChained = this.policy(sent.conversation).order === 'SENDER_FIFO';
    if (prev === undefined || !isChained) return { kind: 'unchained' };
    const chain = this.chainOf(sent);
    if (chain !== null && epoch < chain.epoch) {
      return { kind: 'refused', reason: 'EPOCH_FENCED', actual: chain.epoch };
    }
    const restarts = chain === null || epoch > chain.epoch;
    const last = restarts ? 0 : chain.last;
    if (prev === last) return { kind: 'next' };
    const gaps = restarts ? [] : chain.gaps;
    const gap = gaps.find(({ after, upTo }) => after < clientSeq && clientSeq <= upTo);
    if (gap !== undefined) return { kind: 'late', gap };
    if (prev > last) return { kind: 'ahead', last, want: prev };
    return { kind: 'refused', reason: 'CHAIN_PASSED', actual: last };
  }

  private isDeviceTooMany(sent: Sent): boolean {
    const links = this.linksOf(sent.conversation).filter(
      (slot) => slot.sent.sender === sent.sender,
    );
    const devices = new Set(links.map((slot) => slot.sent.device ?? ''));
    return !devices.has(sent.device ?? '') && devices.size >= this.limits.devices;
  }

  /** Answers these attempts; a link that was stored lets go what was waiting for it. */
  private settle(sent: Sent, ids: readonly number[], verdict: Ended) {
    const outcome = verdict.kind === 'store' ? this.store(sent, verdict.place) : verdict;
    if (outcome.kind === 'refused') this.hit(outcome.reason);
    else this.hit(outcome.kind);
    for (const id of ids) this.answer(id, sent, outcome);
    const moved = verdict.kind === 'store' && ['next', 'ahead'].includes(verdict.place.kind);
    if (moved) this.letGo(sent);
  }

  /** Choice: a marker is written only with the command behind it, never for one that is refused. */
  private store(sent: Sent, place: Place): Outcome {
    const { conversation } = sent;
    if (place.kind === 'ahead') {
      const { action, waitMs } = this.policy(conversation);
      assert(action !== 'REJECT', 'REJECT opens no gap');
      this.hit(`gap action ${action}${waitMs === 0 ? ' at once' : ''}`);
      if (action === 'MARK') this.put(markerFor(sent, place.last), 0, place);
    }
    this.tally(sent, place);
    const given = this.slotsOf(conversation).filter((slot) => slot.epoch > 0).length + 1;
    const { seq, rev, late, lateFor, epoch } = this.put(
      sent,
      sent.event?.kind === 'device' ? given : 0,
      place,
    );
    return { kind: 'stored', seq, rev, late, lateFor, epoch };
  }

  private tally(sent: Sent, place: Place): void {
    const { prev = 0, clientSeq = 0, epoch = 0 } = sent;
    if (place.kind === 'unchained') {
      if (sent.prev !== undefined) this.hit('a link while chains are ignored');
      return;
    }
    const chain = this.chainOf(sent);
    if (chain !== null && epoch > chain.epoch) this.hit('chain restarted');
    else if (place.kind === 'ahead' && chain?.gaps.length === this.limits.gaps) {
      this.hit('oldest gap forgotten');
    }
    if (place.kind !== 'late') return;
    const { after, upTo, markerRev } = place.gap;
    this.hit(markerRev > 0 ? 'late, marked' : 'late, skipped');
    this.hit(
      ['gap closed', 'gap shrunk', 'gap split'][+(prev > after) + +(clientSeq < upTo)] ?? '',
    );
  }

  private put(sent: Sent, epoch: number, place: Place): Slot {
    const { conversation } = sent;
    const slot: Slot = {
      step: this.steps,
      sent,
      conversation,
      seq: sent.event === undefined ? this.headSeq(conversation) + 1 : 0,
      rev: this.slotsOf(conversation).length + 1,
      late: place.kind === 'late',
      lateFor: place.kind === 'late' ? place.gap.markerRev : 0,
      epoch,
    };
    this.slots.push(slot);
    return slot;
  }

  /**
   * The chain's last moved: each held command that need not wait any more gets its full verdict.
   * Choice: also one that can never follow now (its prev passed, its epoch fenced), at once.
   */
  private letGo(moved: Sent): void {
    for (const hold of this.heldWith(moved)) {
      // Choice: what is still ahead waits on, even if its key was stored by another one meanwhile.
      if (!this.held.includes(hold) || this.placeOf(hold.sent).kind === 'ahead') continue;
      const verdict = this.judge(hold.sent, false);
      if (verdict.kind === 'wait') continue;
      this.hit(`held, then ${verdict.kind}`);
      this.endHold(hold, verdict);
    }
  }

  private passTime(ms: number): void {
    this.nowMs += ms;
    for (;;) {
      const due = this.held
        .filter((hold) => this.dueMs(hold) <= this.nowMs)
        .sort((a, b) => this.dueMs(a) - this.dueMs(b));
      if (due[0] === undefined) return;
      this.hit('a wait ended');
      this.endWait(due[0]);
    }
  }

  /** Choice: by the policy as it is now, not as it was when the wait began. */
  private dueMs(hold: Hold): number {
    return hold.sinceMs + this.policy(hold.sent.conversation).waitMs;
  }

  /** The gap action, from the lowest held command of the chain, while this one is held. */
  private endWait(hold: Hold): void {
    while (this.held.includes(hold)) {
      // Choice: where the order is SERVER by now they are stored, from the lowest, without a gap.
      const { order, action } = this.policy(hold.sent.conversation);
      const chain = this.heldWith(hold.sent);
      if (order === 'SENDER_FIFO' && action === 'REJECT') {
        for (const each of chain) this.endRejected(each);
        continue;
      }
      const [lowest] = chain;
      assert(lowest !== undefined, 'the one whose wait ended is held');
      this.endHold(lowest, ended(this.judge(lowest.sent, true)));
    }
  }

  private endRejected(hold: Hold): void {
    if (!this.held.includes(hold)) return;
    const verdict = this.judge(hold.sent, false);
    const { waitMs } = this.policy(hold.sent.conversation);
    if (verdict.kind === 'wait') this.hit(`gap action REJECT${waitMs === 0 ? ' at once' : ''}`);
    const ahead = verdict.kind === 'wait' ? gapRefusal(verdict.last, verdict.want) : verdict;
    this.endHold(hold, ahead);
  }

  private endHold(hold: Hold, verdict: Ended): void {
    this.held = this.held.filter((each) => each !== hold);
    this.settle(hold.sent, hold.ids, verdict);
  }

  private changeLeader(through: number): void {
    assert(through >= this.committed && through < this.steps, 'what is committed survives');
    const lost = this.held;
    this.held = [];
    this.slots = this.slots.filter(({ step }) => step <= through);
    this.committed = through;
    for (const { sent, ids } of lost) {
      this.settle(sent, ids, { kind: 'refused', reason: 'NOT_LEADER' });
    }
  }

  /** Held on one chain, in order of epoch and client_seq, then of arrival. */
  private heldWith(sent: Sent): Hold[] {
    return this.held
      .filter((hold) => isSameChain(hold.sent, sent))
      .sort(
        ({ sent: a }, { sent: b }) =>
          (a.epoch ?? 0) - (b.epoch ?? 0) || (a.clientSeq ?? 0) - (b.clientSeq ?? 0),
      );
  }

  private slotsOf(conversation: string): Slot[] {
    return this.slots.filter((slot) => slot.conversation === conversation);
  }

  private policy(conversation: string): Policy {
    const events = this.slotsOf(conversation).map(({ sent }) => sent.event);
    return policyOf(conversation, events.filter((event) => event?.kind === 'policy').at(-1));
  }

  /** What was stored as a link, that is: not while chains were ignored. */
  private linksOf(conversation: string): Slot[] {
    let { order } = policyOf(conversation, undefined);
    return this.slotsOf(conversation).filter(({ sent }) => {
      const isChained = order === 'SENDER_FIFO';
      if (sent.event?.kind === 'policy') order = policyOf(conversation, sent.event).order;
      return isChained && sent.prev !== undefined;
    });
  }

  private chainOf(sent: Sent): Chain | null {
    let chain: Chain | null = null;
    for (const slot of this.linksOf(sent.conversation)) {
      if (!isSameChain(slot.sent, sent)) continue;
      const { epoch = 0 } = slot.sent;
      if (chain === null || epoch > chain.epoch) chain = { epoch, last: 0, gaps: [] };
      chain = this.extend(chain, slot);
      if (chain.gaps.length <= this.limits.gaps) continue;
      chain = { ...chain, gaps: chain.gaps.slice(-this.limits.gaps) };
    }
    return chain;
  }

  private extend(chain: Chain, { sent, rev, late }: Slot): Chain {
    const { prev = 0, clientSeq = 0 } = sent;
    if (late) return { ...chain, gaps: chain.gaps.flatMap((gap) => without(gap, prev, clientSeq)) };
    if (prev === chain.last) return { ...chain, last: clientSeq };
    const before = this.slotsOf(sent.conversation).find((slot) => slot.rev === rev - 1);
    const markerRev = before?.sent.event?.kind === 'marker' ? before.rev : 0;
    const gap = { after: chain.last, upTo: prev, markerRev };
    return { ...chain, last: clientSeq, gaps: [...chain.gaps, gap] };
  }

  private answer(id: number, { conversation }: Sent, outcome: Outcome): void {
    this.told.push({ id, conversation, outcome });
  }

  private hit(rule: string): void {
    this.hits.set(rule, (this.hits.get(rule) ?? 0) + 1);
  }
}

/** A gap after a late one came: what lay before it, and what lies behind it. */
function without(gap: Gap, prev: number, clientSeq: number): Gap[] {
  if (clientSeq <= gap.after || clientSeq > gap.upTo) return [gap];
  const lower = prev > gap.after ? [{ ...gap, upTo: prev }] : [];
  const upper = clientSeq < gap.upTo ? [{ ...gap, after: clientSeq }] : [];
  return [...lower, ...upper];
}

function markerFor({ conversation, sender, device, epoch, clientSeq }: Sent, after: number): Sent {
  const chain = { device: device ?? '', epoch: epoch ?? 0 };
  const event: Event = { kind: 'marker', ...chain, after, before: clientSeq ?? 0 };
  return { id: 0, conversation, sender, event };
}

function gapRefusal(actual: number, want: number): Refused {
  return { kind: 'refused', reason: 'SENDER_GAP', actual, want };
}

function ended(verdict: Verdict): Ended {
  assert(verdict.kind !== 'wait', 'a gap is opened for it');
  return verdict;
}

function isAfter(one: Sent, other: Sent): boolean {
  const [a, b] = [one.epoch ?? 0, other.epoch ?? 0];
  return a === b ? (one.clientSeq ?? 0) > (other.clientSeq ?? 0) : a > b;
}
