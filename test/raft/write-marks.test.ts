// Which entries are durable, against a model that keeps each entry with the step that writes it.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WriteMarks } from '../../src/raft/write-marks.ts';

const move = fc.record({
  kind: fc.constantFrom('append', 'append', 'truncate', 'take', 'persist'),
  pick: fc.nat(9),
});

test('an entry is durable once the step that writes it completed, whatever stood there before', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
      const marks = new WriteMarks(0);
      // The log as in memory, and as the steps handed out leave it on disk: the step of each entry.
      let log: number[] = [];
      let disk: number[] = [];
      let [nextSeq, persisted] = [1, 0];
      for (const { kind, pick } of moves) {
        if (kind === 'append') {
          log.push(nextSeq);
          marks.appended(log.length, nextSeq);
        } else if (kind === 'truncate' && pick < log.length) {
          marks.truncatedFrom(pick + 1);
          log = log.slice(0, pick);
        } else if (kind === 'take' && marks.pending) {
          const { fromIndex, truncateFrom, truncateTo } = marks.take();
          if (truncateFrom !== null) {
            expect(truncateTo).toBe(disk.length);
            disk.length = truncateFrom - 1;
          }
          disk = [...disk, ...log.slice(fromIndex - 1)];
          expect(disk).toEqual(log);
          nextSeq += 1;
        } else if (kind === 'persist' && persisted < nextSeq - 1) {
          persisted += 1;
          marks.persisted(persisted);
        }
        const unwritten = log.findIndex((seq) => seq > persisted);
        expect(marks.durable).toBe(unwritten < 0 ? log.length : unwritten);
      }
    }),
    { numRuns: 2000 },
  );
});
