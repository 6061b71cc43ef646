// What is true of a conversation at any moment (docs/architecture.md, "Invariants"), looked up in a plain
// list of slots; it knows nothing of how a verdict was found.
import { assert } from '../../src/assert.ts';
import { type Answer, policyOf, type Sent, type Slot } from './chain-steps.ts';

/** An answer and where its command belongs. */
export interface Told extends Answer {
  readonly conversation: string;
}

/** Throws. `answers` are those of step `step`, the newest. */
export function checkInvariants(
  slots: readonly Slot[],
  answers: readonly Told[],
  step: number,
): void {
  for (const name of new Set(slots.map(({ conversation }) => conversation))) {
    const own = slots.filter(({ conversation }) => conversation === name);
    checkNumbers(own);
    checkKeys(own);
    checkChains(name, own);
  }
  checkAnswers(slots, answers, step);
}

/** I2. */
function checkNumbers(slots: readonly Slot[]): void {
  const messages = slots.filter(({ sent }) => sent.event === undefined);
  assert(
    slots.every(({ rev }, i) => rev === i + 1),
    'I2: rev is dense',
  );
  assert(
    messages.every(({ seq }, i) => seq === i + 1),
    'I2: seq is dense',
  );
  assert(
    slots.every(({ seq, sent }) => seq > 0 || sent.event !== undefined),
    'I2: a message has a seq, an event has none',
  );
}

/** I5. */
function checkKeys(slots: readonly Slot[]): void {
  const keys = slots.filter(({ sent }) => sent.key).map(({ sent }) => `${sent.sender} ${sent.key}`);
  assert(new Set(keys).size === keys.length, 'I5: one slot a key');
}

/** I4, for what was sent as a link while chains counted. */
function checkChains(conversation: string, slots: readonly Slot[]): void {
  let policy = policyOf(conversation, undefined);
  const chains = new Map<string, { epoch: number; last: number }>();
  for (const [i, slot] of slots.entries()) {
    const { event, sender, device = '', epoch = 0, clientSeq = 0, prev } = slot.sent;
    if (prev !== undefined && policy.order === 'SENDER_FIFO') {
      const chain = chains.get(`${sender} ${device}`) ?? { epoch, last: 0 };
      assert(epoch >= chain.epoch, 'I4: a fenced epoch stores nothing more');
      const last = epoch > chain.epoch ? 0 : chain.last;
      if (slot.late) checkLate(slots, slot, last);
      else {
        assert(clientSeq > last, 'I4: messages that are not late stand in client order');
        const isMarked = marks(slots[i - 1], slot.sent, last);
        const isJump = prev !== last;
        assert(!isJump || isMarked || policy.action === 'SKIP', 'I4: every jump is named');
        assert(isJump || !isMarked, 'I4: a marker stands where something is missing');
        chains.set(`${sender} ${device}`, { epoch, last: clientSeq });
      }
    } else assert(!slot.late, 'I4: only a link is late');
    if (event?.kind === 'policy') policy = policyOf(conversation, event);
    if (event?.kind === 'marker') {
      const next = slots[i + 1];
      assert(
        next !== undefined && marks(slot, next.sent, event.after),
        'I4: a marker names its next',
      );
    }
  }
}

function marks(slot: Slot | undefined, next: Sent, last: number): boolean {
  const event = slot?.sent.event;
  if (event?.kind !== 'marker' || slot?.sent.sender !== next.sender) return false;
  const isSameChain = event.device === (next.device ?? '') && event.epoch === (next.epoch ?? 0);
  return isSameChain && event.after === last && event.before === next.clientSeq;
}

function checkLate(slots: readonly Slot[], { sent, lateFor }: Slot, last: number): void {
  const { clientSeq = 0 } = sent;
  assert(clientSeq < last, 'I4: a late one is behind the end of its chain');
  if (lateFor === 0) return;
  const event = slots[lateFor - 1]?.sent.event;
  const isNamed = event?.kind === 'marker' && event.device === (sent.device ?? '');
  const isWithin = isNamed && event.after < clientSeq && clientSeq < event.before;
  assert(isWithin, 'I4: a late one names the marker of its gap');
}

/** OK is never said without a place, and nothing is stored that nobody was told of, but markers. */
function checkAnswers(slots: readonly Slot[], answers: readonly Told[], step: number): void {
  for (const { conversation, outcome } of answers) {
    if (outcome.kind !== 'stored' && outcome.kind !== 'duplicate') continue;
    const { seq, rev, kind } = outcome;
    const slot = slots.find((each) => each.conversation === conversation && each.rev === rev);
    assert(slot?.seq === seq, 'OK is never said without a stored seq');
    assert(kind === 'duplicate' || slot.step === step, 'stored is said in the step that stores');
  }
  for (const slot of slots) {
    if (slot.step !== step || slot.sent.event?.kind === 'marker') continue;
    const isTold = answers.some(({ conversation, outcome }) => {
      const isPlaced = outcome.kind === 'stored' && outcome.rev === slot.rev;
      return isPlaced && conversation === slot.conversation;
    });
    assert(isTold, 'nothing is stored without an answer: a refused command leaves no trace');
  }
}
