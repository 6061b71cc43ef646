// How histories of chains are made up: first what senders want, without numbers, then a teller who
// knows what was sent before and asks the model where heads are. So a history with parts left out
// still makes sense.
import fc from 'fast-check';
import { ChainModel } from './chain-model.ts';
import type { Event, Sent, Step } from './chain-steps.ts';

/** What a sender does, with how often. */
const hows = [
  /** The link after the last one sent. */
  [12, 'next'],
  /** One or two links are lost on the way, the one after them is sent. */
  [8, 'lost'],
  /** A lost one after all. */
  [11, 'fill'],
  /** A retry, as it was. */
  [6, 'again'],
  /** Its key with another body. */
  [2, 'altered'],
  /** Its key on another device and epoch. */
  [1, 'moved'],
  /** Its client_seq without its key. */
  [2, 'keyless'],
  /** A link with any numbers. */
  [4, 'wild'],
  /** client_seq without prev. */
  [2, 'loose'],
  [4, 'plain'],
  [3, 'policy'],
  [2, 'release'],
  [1, 'reject'],
  [1, 'device'],
] as const;

interface Want {
  readonly how: (typeof hows)[number][1];
  readonly conversation: string;
  readonly sender: string;
  readonly device: string;
  readonly epoch: 'same' | 'higher' | 'lower';
  readonly key: 'none' | 'fresh' | 'pool';
  readonly expects: 'nothing' | 'head' | 'other';
  readonly saw: 'nothing' | 'head' | 'future';
  readonly pending: boolean;
  readonly jump: number;
  readonly pick: number;
  readonly policy: Extract<Event, { kind: 'policy' }>;
}

export type Raw =
  | { readonly kind: 'append'; readonly wants: readonly Want[] }
  /** Many links in one step, to reach a limit. */
  | {
      readonly kind: 'flood';
      readonly what: 'holds' | 'bytes' | 'devices' | 'jumps';
      readonly want: Want;
    }
  | { readonly kind: 'pass'; readonly ms: number }
  /** `part` in percent of the steps that are not committed. */
  | { readonly kind: 'commit' | 'leader'; readonly part: number }
  | { readonly kind: 'checkpoint' | 'evict' };

const policies = fc.record(
  {
    kind: fc.constant('policy' as const),
    order: weighted([5, 'SENDER_FIFO' as const], [1, 'SERVER' as const]),
    action: weighted([2, 'MARK' as const], [1, 'REJECT' as const], [3, 'SKIP' as const]),
    waitMs: fc.constantFrom(0, 100, 100, 400, 3000),
  },
  { requiredKeys: ['kind'] },
);

const wants: fc.Arbitrary<Want> = fc.record({
  how: weighted(...hows),
  conversation: weighted([3, 'g:a'], [3, 'p:a~b'], [1, 's:a']),
  sender: weighted([7, 'a'], [2, 'b'], [1, 'c']),
  device: weighted([8, 'd1'], [2, 'd2'], [1, '']),
  epoch: weighted([30, 'same' as const], [2, 'higher' as const], [1, 'lower' as const]),
  key: weighted([5, 'fresh' as const], [2, 'none' as const], [1, 'pool' as const]),
  expects: weighted([16, 'nothing' as const], [2, 'head' as const], [1, 'other' as const]),
  saw: weighted([16, 'nothing' as const], [2, 'head' as const], [1, 'future' as const]),
  pending: weighted([7, false], [1, true]),
  jump: fc.integer({ min: 1, max: 3 }),
  pick: fc.nat(15),
  policy: policies,
});

export const raws: fc.Arbitrary<readonly Raw[]> = fc.array(
  fc.oneof(
    {
      weight: 40,
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        wants: fc.array(wants, { minLength: 1, maxLength: 4 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('flood' as const),
        what: weighted(
          [2, 'holds' as const],
          [1, 'bytes' as const],
          [2, 'devices' as const],
          [3, 'jumps' as const],
        ),
        want: wants,
      }),
    },
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('pass' as const),
        ms: fc.constantFrom(1, 100, 250, 499, 500, 500, 2000, 3000),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('commit' as const), part: fc.nat(100) }),
    },
    { weight: 2, arbitrary: fc.constant({ kind: 'checkpoint' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'evict' as const }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('leader' as const), part: fc.nat(100) }),
    },
  ),
  { minLength: 15, maxLength: 45 },
);

function weighted<const T>(
  ...choices: readonly (readonly [weight: number, value: T])[]
): fc.Arbitrary<T> {
  return fc.oneof(...choices.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })));
}

/** The same with less, in every way of leaving one thing out. */
export function shorter(raw: readonly Raw[]): (readonly Raw[])[] {
  return raw.flatMap((each, i) => {
    const others = (less: readonly Raw[]) => [...raw.slice(0, i), ...less, ...raw.slice(i + 1)];
    if (each.kind !== 'append' || each.wants.length < 2) return [others([])];
    const fewer = each.wants.map((_, leftOut) => each.wants.filter((_, at) => at !== leftOut));
    return [others([]), ...fewer.map((wants) => others([{ ...each, wants }]))];
  });
}

export function tell(raw: readonly Raw[]): Step[] {
  const teller = new Teller();
  return raw.map((each) => teller.tell(each));
}

interface Link {
  readonly clientSeq: number;
  readonly prev: number;
}

/** One device as it sees itself: what it sent last, and what the way lost. */
interface Device {
  epoch: number;
  last: number;
  lost: Link[];
}

class Teller {
  private readonly model = new ChainModel();
  private readonly devices = new Map<string, Device>();
  private readonly sentBefore: Sent[] = [];
  private ids = 0;

  tell(raw: Raw): Step {
    const step = this.step(raw);
    this.model.apply(step);
    return step;
  }

  private step(raw: Raw): Step {
    switch (raw.kind) {
      case 'append':
        return { kind: 'append', sent: raw.wants.map((want) => this.send(want)) };
      case 'flood':
        return { kind: 'append', sent: this.flood(raw.what, raw.want) };
      case 'commit':
      case 'leader': {
        const { committedThrough, stepCount } = this.model;
        const open = stepCount - committedThrough;
        return { kind: raw.kind, through: committedThrough + Math.round((open * raw.part) / 100) };
      }
      case 'pass':
      case 'checkpoint':
      case 'evict':
        return raw;
    }
  }

  private send(want: Want, more: Partial<Sent> = {}): Sent {
    const sent = { ...this.words(want), ...more };
    this.sentBefore.push(sent);
    return sent;
  }

  private words(want: Want): Sent {
    switch (want.how) {
      case 'next':
      case 'lost':
      case 'fill':
      case 'wild':
      case 'loose':
        return { ...this.message(want), ...this.chained(want) };
      case 'plain':
        return this.message(want);
      case 'again':
      case 'altered':
      case 'moved':
      case 'keyless':
        return this.repeat(want);
      case 'policy':
      case 'release':
      case 'reject':
      case 'device':
        return this.happening(want);
    }
  }

  private start({ conversation, sender, key, pick }: Want): Sent {
    this.ids += 1;
    const keys = { none: {}, fresh: { key: `k${this.ids}` }, pool: { key: `p${pick % 5}` } };
    return { id: this.ids, conversation, sender, ...keys[key] };
  }

  private message(want: Want): Sent {
    const { conversation, pending, expects, saw, pick } = want;
    const head = this.model.headSeq(conversation);
    const expected = { nothing: {}, head: { expectedSeq: head }, other: { expectedSeq: pick } };
    const seen = { nothing: {}, head: { seenSeq: head }, future: { seenSeq: head + 1 + pick } };
    return {
      ...this.start(want),
      body: pick % 2 === 0 ? 'x' : 'y',
      ...expected[expects],
      ...seen[saw],
      ...(pending ? { pending } : {}),
    };
  }

  private chained(want: Want): Partial<Sent> {
    const { how, pick, jump } = want;
    const device = this.device(want);
    if (want.epoch === 'higher' && device.epoch < 3) {
      Object.assign(device, { epoch: device.epoch + 1, last: 0, lost: [] });
    }
    const isFenced = want.epoch === 'lower' && device.epoch > 1;
    const chain = { device: want.device, epoch: isFenced ? device.epoch - 1 : device.epoch };
    if (how === 'loose') return { ...chain, clientSeq: 1 + pick };
    if (how === 'wild') return { ...chain, prev: pick, clientSeq: pick + jump };
    const [found] = how === 'fill' ? device.lost.splice(pick % (device.lost.length || 1), 1) : [];
    if (found !== undefined) return { ...chain, ...found };
    if (how === 'lost') this.lose(device, want);
    return { ...chain, ...advance(device, jump) };
  }

  private lose(device: Device, { pick, jump }: Want): void {
    device.lost.push(advance(device, jump));
    if (pick % 2 === 0) device.lost.push(advance(device, 1));
  }

  private device({ conversation, sender, device }: Want): Device {
    const name = `${conversation} ${sender} ${device}`;
    const known = this.devices.get(name) ?? { epoch: 1, last: 0, lost: [] };
    this.devices.set(name, known);
    return known;
  }

  /** Of one of the newest 16. */
  private repeat(want: Want): Sent {
    const original = this.sentBefore.at(-1 - (want.pick % (this.sentBefore.length || 1)));
    if (original === undefined) return this.message(want);
    const { id } = this.start(want);
    // An event has neither a body nor a device.
    if (original.event !== undefined) return { ...original, id };
    if (want.how === 'altered') return { ...original, id, body: 'z' };
    if (want.how === 'moved') {
      return { ...original, id, device: want.device, epoch: 1 + (want.pick % 3) };
    }
    if (want.how === 'again') return { ...original, id };
    const { key: _, ...keyless } = original;
    return { ...keyless, id };
  }

  private happening(want: Want): Sent {
    const start = this.start(want);
    const { how, pick, conversation } = want;
    if (how === 'policy') return { ...start, event: want.policy };
    if (how === 'device') {
      const event: Event = { kind: 'device', device: want.device || 'd1' };
      return { ...start, conversation: 's:a', sender: 'a', event };
    }
    const pending = this.model.pendingSeqs(conversation);
    const kind = how === 'release' ? 'release' : 'reject';
    return { ...start, event: { kind, seq: pending[pick % (pending.length || 1)] ?? 1 + pick } };
  }

  private flood(what: 'holds' | 'bytes' | 'devices' | 'jumps', want: Want): Sent[] {
    const plain: Want = {
      ...want,
      epoch: 'same',
      key: 'fresh',
      expects: 'nothing',
      saw: 'nothing',
      policy: { ...want.policy, waitMs: 0 },
    };
    const next: Want = { ...plain, how: 'next', jump: 1 };
    const lost: Want = { ...plain, how: 'lost', pick: 1, jump: 1 };
    switch (what) {
      case 'holds':
        return [lost, ...Array<Want>(63 + (want.pick % 4)).fill(next)].map((each) =>
          this.send(each),
        );
      case 'bytes':
        return [lost, next, next, next, next].map((each) =>
          this.send(each, { bodyBytes: 250_000 }),
        );
      case 'devices':
        return Array.from({ length: 14 + (want.pick % 4) }, (_, i) => {
          return this.send({ ...next, device: `e${i}` });
        });
      case 'jumps': {
        // With and without waiting; then what was lost first comes after all.
        const start: Want = want.pick % 2 === 0 ? { ...plain, how: 'policy' } : lost;
        const fills: Want[] = [2, 1, 0].map((i) => ({ ...plain, how: 'fill', pick: i }));
        const jumps = Array<Want>(15 + (want.pick % 4)).fill(lost);
        return [start, ...jumps, ...fills].map((each) => this.send(each));
      }
    }
  }
}

/** The next link; numbers may jump. */
function advance(device: Device, jump: number): Link {
  const prev = device.last;
  device.last += jump;
  return { prev, clientSeq: device.last };
}
