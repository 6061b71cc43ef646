// `paceline/client`: the client over gRPC with this machine's clock.
import { systemClock } from '../../clock.ts';
import { checkOptions } from '../check-options.ts';
import { PacelineClient } from '../client.ts';
import type { ClientOptions } from '../types.ts';
import { newClientId } from './client-id.ts';
import { createGrpcClientTransport } from './transport.ts';

export type ConnectOptions = Pick<ClientOptions, 'servers'> &
  Partial<Omit<ClientOptions, 'servers' | 'transport' | 'clock' | 'random'>>;

/**
 * A client of the cluster that these servers belong to; connects when it is first used.
 *
 * ```ts
 * import { connect } from 'paceline/client';
 *
 * const paceline = connect({ servers: ['127.0.0.1:7400'] });
 * await paceline.append({ conversation: 'g:lobby', sender: 'ann', body: 'hello' });
 * await paceline.close();
 * ```
 *
 * Throws BAD_REQUEST where an option is none.
 */
export function connect(options: ConnectOptions): PacelineClient {
  checkOptions(options);
  return new PacelineClient({
    ...options,
    clientId: options.clientId ?? newClientId(),
    transport: createGrpcClientTransport(),
    clock: systemClock,
    random: Math.random,
  });
}

export { type Clock, systemClock, type Timer } from '../../clock.ts';
export { PacelineError, type Reason } from '../../errors.ts';
export type { Append, Appended } from '../append.ts';
export { PacelineClient } from '../client.ts';
export type { Policy } from '../event-append.ts';
export type { Gap } from '../marked-gaps.ts';
export type { Message, Page } from '../message.ts';
export type { Messages } from '../messages.ts';
export {
  OrderedView,
  type OrderedViewEvent,
  type OrderedViewItem,
  type OrderedViewOptions,
  type PutResult,
} from '../ordered-view.ts';
export type { Head, Read } from '../reads.ts';
export type { Subscribe, Subscription } from '../subscription.ts';
export type { ConversationEvent, SubscriptionEvent } from '../subscription-events.ts';
