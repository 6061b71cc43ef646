// What the benchmark asks its client for, over the channel between the processes: one at a time.
import type { Load, Place } from '../subjects/subject.ts';
import type { ClosedLoopOptions } from './closed-loop.ts';
import type { DeliveryOptions } from './delivery.ts';

export type Request =
  | {
      readonly kind: 'connect';
      readonly subject: string;
      readonly place: Place;
      readonly load: Load;
    }
  | { readonly kind: 'closed-loop'; readonly options: ClosedLoopOptions }
  | { readonly kind: 'delivery'; readonly options: DeliveryOptions }
  | { readonly kind: 'close' };

export type Answer<Result> =
  | { readonly ok: true; readonly result: Result }
  | { readonly ok: false; readonly error: string };
