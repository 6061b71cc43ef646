// `paceline/outbox`: the outbox in a directory, with this machine's clock.
import { systemClock } from '../../clock.ts';
import { Outbox, type OutboxOptions } from '../outbox.ts';
import { openOutboxStore } from './outbox-store.ts';

export type OpenOutboxOptions = Omit<OutboxOptions, 'store' | 'clock' | 'random' | 'uuid'> & {
  /** Created where it is missing; one process at a time may have it open. */
  readonly directory: string;
};

/**
 * Opens the outbox of one sender on one device and sends what it still keeps.
 *
 * ```ts
 * import { connect } from 'paceline/client';
 * import { openOutbox } from 'paceline/outbox';
 *
 * const paceline = connect({ servers: ['127.0.0.1:7400'] });
 * const outbox = await openOutbox({
 *   directory: './outbox',
 *   sender: 'ann',
 *   device: 'phone',
 *   epoch: 1,
 *   append: (append, stored, failed, signal) => paceline.start(append, stored, failed, signal),
 * });
 * await outbox.send({ conversation: 'g:lobby', body: 'hello' });
 * await outbox.drain();
 * await outbox.close();
 * await paceline.close();
 * ```
 */
export async function openOutbox({ directory, ...options }: OpenOutboxOptions): Promise<Outbox> {
  return Outbox.open({
    ...options,
    store: await openOutboxStore(directory),
    clock: systemClock,
    random: Math.random,
    uuid: () => crypto.randomUUID(),
  });
}

export { Outbox, type OutboxEnd, type OutboxItem, type OutboxOptions } from '../outbox.ts';
export { MemoryOutboxStore } from '../outbox-memory.ts';
export type { KeptMessage, OutboxMessage, OutboxStore } from '../outbox-store.ts';
export { openOutboxStore } from './outbox-store.ts';
