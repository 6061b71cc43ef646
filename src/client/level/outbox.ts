// `paceline/outbox`: the outbox in a directory, with this machine's clock.
import { systemClock } from '../../clock.ts';
import { Outbox } from '../outbox.ts';
import type { OutboxOptions } from '../outbox-options.ts';
import type { OutboxStore } from '../outbox-store.ts';
import { openOutboxStore } from './outbox-store.ts';

type Options = Omit<OutboxOptions, 'store' | 'epoch' | 'clock' | 'random' | 'uuid'>;

export interface OpenOutboxOptions extends Options {
  /** Created where it is missing; one process at a time may have it open. */
  readonly directory: string;
  /** The device's, from the one the outbox was opened with last: null = never. A device registers once. */
  readonly epoch: (last: number | null) => number | Promise<number>;
}

/**
 * Opens the outbox of one sender on one device and sends what it still keeps.
 *
 * ```ts
 * import { mkdtemp } from 'node:fs/promises';
 * import { connect } from 'paceline/client';
 * import { openOutbox } from 'paceline/outbox';
 *
 * const paceline = connect({ servers: ['127.0.0.1:7400'] });
 * const outbox = await openOutbox({
 *   directory: await mkdtemp('/tmp/ann-'),
 *   sender: 'ann',
 *   device: 'phone',
 *   epoch: (last) => last ?? paceline.registerDevice('ann', 'phone'),
 *   append: (append, stored, failed, signal) => paceline.start(append, stored, failed, signal),
 * });
 * const { stored } = await outbox.send({ conversation: 'g:lobby', body: 'hello' });
 * console.log((await stored).seq);
 * await outbox.close();
 * await paceline.close();
 * ```
 */
export async function openOutbox({
  directory,
  epoch,
  ...options
}: OpenOutboxOptions): Promise<Outbox> {
  const store = await openOutboxStore(directory);
  return Outbox.open({
    ...options,
    epoch: await epochOf(store, epoch),
    store,
    clock: systemClock,
    random: Math.random,
    uuid: () => crypto.randomUUID(),
  });
}

async function epochOf(store: OutboxStore, epoch: OpenOutboxOptions['epoch']): Promise<number> {
  try {
    return await epoch((await store.readHead())?.epoch ?? null);
  } catch (error) {
    await store.close();
    throw error;
  }
}

export { Outbox, type OutboxItem } from '../outbox.ts';
export { MemoryOutboxStore } from '../outbox-memory.ts';
export type { OutboxEnd, OutboxOptions } from '../outbox-options.ts';
export type { KeptMessage, OutboxMessage, OutboxStore } from '../outbox-store.ts';
export { openOutboxStore } from './outbox-store.ts';
