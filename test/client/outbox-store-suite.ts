// What every store of an outbox does.
import { expect, it } from 'vitest';
import type { KeptMessage, OutboxStore, OutboxWrite } from '../../src/client/outbox-store.ts';

const sync = { sync: true };
const all = { count: 1000, bytes: 1_000_000 };

export function storeSuite(open: () => Promise<OutboxStore>): void {
  it('is empty at first', async () => {
    const store = await open();
    expect(await store.readHead()).toBeNull();
    expect(await store.readChains()).toEqual([]);
    expect(await store.readMessages('g:a', 0, all)).toEqual([]);
    await store.close();
  });

  it('keeps a head, chains and messages as they were written last', async () => {
    const store = await open();
    const head = { sender: 'ann', device: '', epoch: 3, uuid: 'u' };
    await store.write({ ...nothing, head }, sync);
    const row = { conversation: 'g:a', epoch: 1, last: 1, linked: 0, kept: 1 };
    const newer = { ...row, epoch: 2 ** 40, last: 2 ** 50, linked: 7 };
    const other = { ...row, conversation: 'g:b' };
    await store.write({ ...nothing, chains: [row, other] }, sync);
    await store.write({ ...nothing, chains: [newer] }, { sync: false });
    expect(await store.readHead()).toEqual(head);
    const rows = await store.readChains();
    expect(rows.sort((a, b) => (a.conversation < b.conversation ? -1 : 1))).toEqual([newer, other]);
    await store.close();
  });

  it('keeps every part of a message', async () => {
    const store = await open();
    const full = {
      ...message('g:a', 1),
      message: {
        conversation: 'g:a',
        body: Buffer.from([0, 1, 255]),
        contentType: 'text/plain',
        headers: [
          { name: 'a', value: '' },
          { name: 'ü', value: 'ö' },
        ],
        expectedSeq: 0,
        clientTimeMs: 1_800_000_000_123,
        seenSeq: 2 ** 40,
        pending: false,
      },
    };
    const bare = message('g:a', 2, '');
    await store.write({ ...nothing, puts: [full, bare] }, sync);
    expect(await store.readMessages('g:a', 0, all)).toEqual([full, bare]);
    await store.close();
  });

  it('reads the messages of one conversation in order, after a number, up to a limit', async () => {
    const store = await open();
    const names = ['g:a', 'g:a1', 'g:', 's:a', 'g:b'];
    const numbers = [1, 2, 9, 10, 255, 256, 257, 70_000, 2 ** 33];
    const puts = names.flatMap((name) => numbers.map((number) => message(name, number)));
    await store.write({ ...nothing, puts }, sync);
    const read = async (after: number, limit: object) => {
      const page = await store.readMessages('g:a', after, { ...all, ...limit });
      expect(page.every(({ message: { conversation } }) => conversation === 'g:a')).toBe(true);
      return page.map(({ clientSeq }) => clientSeq);
    };
    expect(await read(0, {})).toEqual(numbers);
    expect(await read(9, {})).toEqual(numbers.slice(3));
    expect(await read(256, { count: 2 })).toEqual([257, 70_000]);
    expect(await read(2 ** 33, {})).toEqual([]);
    expect(await read(0, { bytes: 1 })).toEqual([1]);
    const gone = [1, 9, 10].map((clientSeq) => ({ conversation: 'g:a', clientSeq }));
    await store.write({ ...nothing, removes: gone }, { sync: false });
    expect(await read(0, { count: 2 })).toEqual([2, 255]);
    expect(await store.readMessages('g:b', 0, all)).toHaveLength(numbers.length);
    await store.close();
  });
}

export const nothing: OutboxWrite = { chains: [], puts: [], removes: [] };

export function message(conversation: string, clientSeq: number, body = 'body'): KeptMessage {
  const key = `key-${clientSeq}`;
  return { message: { conversation, body: Buffer.from(body) }, clientSeq, epoch: 1, key };
}
