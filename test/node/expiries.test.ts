// Pending messages that nobody ended in time are ended when they are due, however many are due together, and
// though the rows of those that have ended stay on disk until the next checkpoint.
import { expect, test } from 'vitest';
import { Expiries, type ScanRows } from '../../src/node/expiries.ts';
import { dueKey } from '../../src/order/row-keys.ts';
import { encodeDue } from '../../src/order/row-values.ts';
import { Rows } from '../../src/order/rows.ts';

const dueMs = Date.UTC(2026, 0, 1);

function onDisk(count: number): ScanRows {
  const rows = Array.from({ length: count }, (_, i) => {
    return { key: dueKey(dueMs, 7, 'g:a', i + 1), value: encodeDue(false) };
  });
  return async ({ from, to, limit }) =>
    rows
      .filter(({ key }) => Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0)
      .slice(0, limit);
}

test('all that are due in one millisecond', async () => {
  const rows = new Rows({ windowMs: 1e12, windowBytes: 1e12 });
  const expiries = new Expiries(0, rows, onDisk(1000));
  const ended = new Set<string>();
  const end = (bytes: Uint8Array) => {
    const name = Buffer.from(bytes).toString('hex');
    expect(ended.has(name), 'each once').toBe(false);
    ended.add(name);
  };
  for (let tick = 0; tick < 20; tick++) {
    for (const group of expiries.due(dueMs, (error) => expect.fail(String(error)))) {
      for (const item of group.commands) if ('command' in item) end(item.command.bytes);
      // In memory it has ended; its row is still on disk.
      const seq = ended.size;
      const key = dueKey(dueMs, 7, 'g:a', seq);
      rows.dues.set(Buffer.prototype.latin1Slice.call(key), key, null);
      group.done([{ kind: 'refused', refusal: { reason: 'NOT_PENDING', message: 'ended' } }]);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(ended.size).toBe(1000);
});
