// An outbox on a desk: its server, link, disk and time in the hand of the test.
import type { Append, Appended } from '../../src/client/append.ts';
import { Outbox } from '../../src/client/outbox.ts';
import type { OutboxEnd, OutboxOptions } from '../../src/client/outbox-options.ts';
import { PacelineError, type Reason, type Refusal } from '../../src/errors.ts';
import { CrashStore } from './crash-store.ts';
import { FakeChains, FakeLink } from './fake-chains.ts';
import { FakeClock } from './fake-clock.ts';

export const room = 'g:room';

export class Desk {
  readonly server = new FakeChains();
  readonly clock = new FakeClock();
  readonly ends: OutboxEnd[] = [];
  link = new FakeLink(this.server);
  store = new CrashStore();

  async open(options: Partial<OutboxOptions> = {}): Promise<Outbox> {
    const outbox = await Outbox.open({
      store: this.store,
      append: this.link.append,
      sender: 'ann',
      device: 'phone',
      epoch: 1,
      clock: this.clock,
      random: () => 0.5,
      uuid: () => 'a uuid',
      onEnd: (end) => this.ends.push(end),
      ...options,
    });
    await this.clock.settle();
    return outbox;
  }

  async close(outbox: Outbox): Promise<void> {
    const closed = outbox.close();
    await this.clock.settle();
    await closed;
  }

  /** The process dies; the next one finds what was synced. */
  async reopen(options: Partial<OutboxOptions> = {}): Promise<Outbox> {
    this.link.die();
    this.link = new FakeLink(this.server);
    this.store = this.store.crash(0);
    return this.open(options);
  }

  async send(outbox: Outbox, ...bodies: string[]) {
    const sent = Promise.all(bodies.map((body) => outbox.send({ conversation: room, body })));
    await this.clock.settle();
    return sent;
  }

  /** What was sent and not taken: [body, number, number before it]. */
  get lane(): (string | number | undefined)[][] {
    return this.link.lane.map(({ append }) => essence(append));
  }

  /** Everything travels and is answered, over so much time. */
  async run(ms = 0): Promise<void> {
    for (let left = ms; left >= 0; left -= 100) {
      await this.clock.pass(Math.min(left, 100));
      this.link.run();
      await this.clock.settle();
    }
  }
}

function essence({ body, clientSeq, prevClientSeq }: Append) {
  return [String(body), clientSeq, prevClientSeq];
}

export function refuse(reason: Reason, details: object = {}): Refusal {
  return { reason, message: 'a test', ...details };
}

export async function endOf(stored: Promise<Appended>): Promise<number | string> {
  return stored.then(
    ({ seq }) => seq,
    (error: unknown) => (error instanceof PacelineError ? error.reason : String(error)),
  );
}
