// An ordered view under a fake clock, with what it says as words.
import {
  OrderedView,
  type OrderedViewEvent,
  type OrderedViewItem,
  type OrderedViewOptions,
  type PutResult,
} from '../../src/client/grpc/connect.ts';
import { FakeClock } from './fake-clock.ts';

export type Item = OrderedViewItem<string>;
export type Event = OrderedViewEvent<string>;
export type Limits = Partial<Omit<OrderedViewOptions<string>, 'clock' | 'onEvent'>>;

export function open(limits: Limits = {}) {
  const clock = new FakeClock();
  const events: Event[] = [];
  const view = new OrderedView<string>({
    ...limits,
    clock,
    onEvent: (event) => events.push(event),
  });
  /** Values are named after their places, unless the test names them. */
  const put = (place: number, rest: Partial<Item> = {}): PutResult => {
    return view.put({ place, value: `m${place}`, ...rest });
  };
  const pending = (place: number) => put(place, { state: 'pending' });
  /** Since it was last asked. */
  const said = () => events.splice(0).map(wordsOf);
  return { clock, view, put, pending, said };
}

export function wordsOf(event: Event): string {
  switch (event.kind) {
    case 'released':
      return event.value;
    case 'gap':
      return `gap ${event.after}-${event.before}`;
    case 'late':
      return `late ${event.value} for ${markOf(event)}`;
    case 'late-rejected':
      return `late-rejected ${event.place} for ${markOf(event)}`;
    case 'pending':
    case 'rejected':
      return `${event.kind} ${event.place}`;
  }
}

function markOf({ gap }: Extract<Event, { gap: unknown }>): string {
  return gap === null ? 'no gap' : `gap ${gap.after}-${gap.before}`;
}
