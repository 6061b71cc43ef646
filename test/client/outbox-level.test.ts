// The outbox's store in LevelDB: as every store, and through kill -9.
import { fork } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Level } from 'level';
import { describe, expect, it } from 'vitest';
import type { Append, Appended } from '../../src/client/append.ts';
import { openOutbox, openOutboxStore } from '../../src/client/level/outbox.ts';
import { MemoryOutboxStore } from '../../src/client/outbox-memory.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { appendedAt } from './fake-chains.ts';
import { message, nothing, storeSuite } from './outbox-store-suite.ts';

const childPath = new URL('./child-outbox.ts', import.meta.url).pathname;

describe('the store in memory', () => storeSuite(async () => new MemoryOutboxStore()));

describe('the store in LevelDB', () => {
  storeSuite(() => openOutboxStore(temporaryDirectory()));

  it('still has everything when it is opened again', async () => {
    const directory = temporaryDirectory();
    const head = { sender: 'ann', device: 'phone', epoch: 1, uuid: 'u' };
    const chains = [{ conversation: 'g:a', epoch: 1, last: 2, linked: 0, kept: 2 }];
    const puts = [message('g:a', 1), message('g:a', 2)];
    const store = await openOutboxStore(directory);
    await store.write({ head, chains, puts, removes: [] }, { sync: true });
    await store.close();
    const again = await openOutboxStore(directory);
    expect(await again.readHead()).toEqual(head);
    expect(await again.readChains()).toEqual(chains);
    expect(await again.readMessages('g:a', 0, { count: 9, bytes: 999 })).toEqual(puts);
    await again.close();
  });

  it('refuses a row that was damaged, or stands under another key', async () => {
    const directory = temporaryDirectory();
    const store = await openOutboxStore(directory);
    await store.write({ ...nothing, puts: [message('g:a', 1)] }, { sync: true });
    await store.close();
    const options = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;
    const db = new Level<Buffer, Buffer>(directory, options);
    const [[key, value] = []] = await db.iterator().all();
    if (key === undefined || value === undefined) throw new Error('no row');
    const moved = Buffer.from(key);
    moved[moved.length - 1] = 2;
    const damaged = Buffer.from(value);
    damaged.writeUInt8(damaged.readUInt8(value.length - 1) ^ 1, value.length - 1);
    await db.batch().put(key, damaged).put(moved, value).write();
    await db.close();
    const again = await openOutboxStore(directory);
    for (const after of [0, 1]) {
      const read = again.readMessages('g:a', after, { count: 1, bytes: 999 });
      await expect(read).rejects.toMatchObject({ reason: 'CORRUPT' });
    }
    await again.close();
  });

  it('is not begun anew where a file of LevelDB is missing', async () => {
    const directory = temporaryDirectory();
    const store = await openOutboxStore(directory);
    await store.write({ ...nothing, puts: [message('g:a', 1)] }, { sync: true });
    await store.close();
    rmSync(join(directory, 'CURRENT'));
    for (const _ of [1, 2]) {
      await expect(openOutboxStore(directory)).rejects.toMatchObject({ reason: 'CORRUPT' });
    }
  });

  it('is refused to a second process by name', async () => {
    const directory = temporaryDirectory();
    const store = await openOutboxStore(directory);
    const second = openOutboxStore(directory);
    await expect(second).rejects.toMatchObject({ reason: 'INTERNAL', message: /lock/i });
    await store.close();
  });
});

describe('openOutbox', () => {
  const identity = { sender: 'ann', device: 'phone' };

  it('sends by the clock of this machine, and asks for an epoch with the one it had', async () => {
    const directory = temporaryDirectory();
    const sent: Append[] = [];
    const asked: (number | null)[] = [];
    for (let i = 0; i < 2; i++) {
      const outbox = await openOutbox({
        ...identity,
        directory,
        epoch: (last) => {
          asked.push(last);
          return last ?? 7;
        },
        append: (append, resolve) => resolve(appendedAt(sent.push(append))),
      });
      const { stored } = await outbox.send({ conversation: 'g:a', body: 'hi' });
      expect(await stored).toMatchObject({ seq: i + 1 });
      await outbox.close();
    }
    expect(asked).toEqual([null, 7]);
    expect(sent).toMatchObject([
      { sender: 'ann', epoch: 7, clientSeq: 1, prevClientSeq: 0 },
      { sender: 'ann', epoch: 7, clientSeq: 2, prevClientSeq: 1 },
    ]);
  });

  it('closes the store where there is no epoch to be had', async () => {
    const directory = temporaryDirectory();
    const epoch = () => Promise.reject(new Error('no server'));
    const options = { ...identity, directory, append: () => {} };
    await expect(openOutbox({ ...options, epoch })).rejects.toThrow('no server');
    await (await openOutbox({ ...options, epoch: () => 1 })).close();
  });
});

it('what was durable when the app was killed is stored once, in order', async () => {
  const directory = temporaryDirectory();
  const server = new Parent();
  for (let round = 0; round < 6; round++) await server.runChild(directory, randomInt(1, 40));
  expect(server.durable.length).toBeGreaterThan(60);
  await server.runChild(directory, null);
  for (const conversation of ['g:a', 'g:b']) {
    const numbers = server.log.get(conversation) ?? [];
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
    const durable = server.durable.filter((each) => each.conversation === conversation);
    expect(numbers).toEqual(expect.arrayContaining(durable.map(({ clientSeq }) => clientSeq)));
    expect(numbers.length - durable.length).toBeLessThanOrEqual(6 * 10);
  }
}, 60_000);

interface FromChild {
  readonly attempt?: number;
  readonly append?: Append;
  readonly durable?: { readonly conversation: string; readonly clientSeq: number };
}

/** The server of a child's outbox: refuses to store a message twice or behind anything but the one before. */
class Parent {
  readonly durable: { readonly conversation: string; readonly clientSeq: number }[] = [];
  readonly log = new Map<string, number[]>();
  private readonly keys = new Map<string, number>();

  /** Killed once so many more are durable; null: it sends what is left, and ends. */
  async runChild(directory: string, durableMax: number | null): Promise<void> {
    const mode = durableMax === null ? 'drain' : 'send';
    const child = fork(childPath, [directory, mode], { execArgv: ['--import', 'tsx'] });
    const exited = once(child, 'exit');
    const deadAt = this.durable.length + (durableMax ?? Number.POSITIVE_INFINITY);
    child.on('message', ({ attempt, append, durable }: FromChild) => {
      if (durable !== undefined) this.durable.push(durable);
      if (this.durable.length >= deadAt) child.kill('SIGKILL');
      if (append === undefined) return;
      const appended = this.store(append);
      // Some answers are lost with the child.
      if (mode === 'drain' || randomInt(3) > 0) setImmediate(() => reply(child, attempt, appended));
    });
    const [code] = await exited;
    if (mode === 'drain') expect(code).toBe(0);
  }

  private store({ conversation, key = '', body, clientSeq = 0, prevClientSeq }: Append): Appended {
    const known = this.keys.get(`${conversation} ${key}`);
    if (known !== undefined) return { ...appendedAt(known), duplicate: true };
    const log = this.log.get(conversation) ?? [];
    this.log.set(conversation, log);
    expect(prevClientSeq).toBe(log.at(-1) ?? 0);
    expect(String(body)).toBe(String(clientSeq));
    log.push(clientSeq);
    this.keys.set(`${conversation} ${key}`, log.length);
    return appendedAt(log.length);
  }
}

function reply(child: ReturnType<typeof fork>, attempt = 0, { id, ...appended }: Appended): void {
  if (child.connected) child.send({ attempt, appended: { ...appended, id: Number(id) } }, () => {});
}
