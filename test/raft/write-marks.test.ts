// Which entries are durable, against a model that keeps each entry with the step that writes it.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WriteMarks } from '../../src/raft/write-marks.ts';

const move = fc.record({
  kind: fc.constantFrom('append', 'append', 'truncate', 'restore', 'take', 'persist'),
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
      /** The newest snapshot's index: it writes all up to there, and nothing of that is truncated. */
      let restored = 0;
      let isRestoring = false;
      for (const { kind, pick } of moves) {
        if (kind === 'append') {
          log.push(nextSeq);
          marks.appended(log.length, nextSeq);
        } else if (kind === 'restore') {
          restored = log.length + 1 + pick;
          isRestoring = true;
          marks.restored(restored, nextSeq);
          log = Array<number>(restored).fill(nextSeq);
        } else if (kind === 'truncate' && pick < log.length && pick >= restored) {
          marks.truncatedFrom(pick + 1);
          log = log.slice(0, pick);
        } else if (kind === 'take' && (marks.pending || isRestoring)) {
          const { fromIndex, truncateFrom, truncateTo } = marks.take();
          if (isRestoring) {
            expect(truncateFrom).toBe(null);
            disk = log.slice(0, restored);
            isRestoring = false;
          }
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
