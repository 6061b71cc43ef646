// Bugs of what is kept and recovered: src/storage, and the turn that writes it.
import type { HiddenMutation, Mutation, Patch } from './mutation.ts';

const linksNotChecked: Patch = {
  file: 'src/storage/recovery.ts',
  from: 'checkFollows(partition, last, entry);',
  to: '',
};

export const ofStorage: readonly Mutation[] = [
  {
    name: 'not-synced',
    class: '14',
    says: 'Batches are written without sync.',
    file: 'src/storage/store-batch.ts',
    from: 'sync: true',
    to: 'sync: false',
  },
  {
    name: 'hole-cut-off',
    class: '2',
    says: 'Recovery takes a missing entry for the end of the log.',
    file: 'src/storage/recovery.ts',
    from: 'const entry = decodeFollowing(',
    to: 'if (entryIndexOf(key) !== last.index + 1) return entries;\n      const entry = decodeFollowing(',
  },
  {
    name: 'missing-vote-is-none',
    class: '4',
    says: 'A hard state row that is gone is read as the term of the log, no vote.',
    file: 'src/storage/recovery.ts',
    from: "throw corrupt(name, 'is missing while other rows stand');",
    to: `const all = await readPage(db, entriesRange({ partition, generation: 1 }, 1), { rows: 1e6 });
    const term = all.reduce((last, row) => decodeStoredEntry(partition, last.index + 1, row[1]), { index: 0, term: 0 }).term;
    return { term, votedFor: 0, commit: 0 };`,
  },
  {
    name: 'missing-vote-is-no-vote',
    class: '4',
    says: 'A hard state row that is gone is read as term 0, no vote.',
    file: 'src/storage/recovery.ts',
    from: "throw corrupt(name, 'is missing while other rows stand');",
    to: '',
  },
  {
    name: 'term-left-out',
    class: '5',
    says: 'The hard state is not written where a step has entries.',
    file: 'src/node/turn.ts',
    from: 'if (step.hardState !== null) batch',
    to: 'if (step.hardState !== null && step.entries.length === 0) batch',
  },
  {
    name: 'checkpoint-without-index',
    class: '8',
    says: 'A checkpoint writes its rows without the index that they stand at.',
    file: 'src/node/turn.ts',
    from: 'write.batch.putCheckpoint(partition, ready.record);',
    to: 'if (ready.rows.rows.length === 0) write.batch.putCheckpoint(partition, ready.record);',
  },
  {
    name: 'checkpoint-without-rows',
    class: '8',
    says: 'A checkpoint writes its index and leaves out its last row.',
    file: 'src/node/turn.ts',
    from: 'for (const row of ready.rows.rows) write',
    to: 'for (const row of ready.rows.rows.slice(0, -1)) write',
  },
  {
    name: 'failed-write-is-done',
    class: '10',
    says: 'A write that failed is taken for durable.',
    file: 'src/storage/store-batch.ts',
    from: 'await this.#rows.write({ sync: true });',
    to: 'await this.#rows.write({ sync: true }).catch(() => {});',
  },
  {
    name: 'failed-write-is-survived',
    class: '10',
    says: 'After a failed write the process stays, and does nothing any more.',
    file: 'src/node/turn.ts',
    from: 'this.deps.onFatal(error);',
    to: '',
  },
  {
    name: 'truncation-not-written',
    class: '12',
    says: 'Entries that were cut off stay on the disk behind those that replace them.',
    file: 'src/node/turn.ts',
    from: 'if (step.truncateFrom !== null) {',
    to: 'if (step.truncateFrom !== null && step.entries.length === 0) {',
  },
  {
    name: 'old-tail-read-back',
    class: '12',
    says: 'Entries that were cut off stay on the disk, and a start reads them back.',
    file: 'src/node/turn.ts',
    from: 'if (step.truncateFrom !== null) {',
    to: 'if (step.truncateFrom !== null && step.entries.length === 0) {',
    also: [linksNotChecked],
  },
  {
    name: 'stale-rows-admitted',
    class: '41',
    says: 'Rows that were read before a checkpoint moved them are taken in after it.',
    file: 'src/node/turn.ts',
    from: 'if (replica.rows.version === versions[i]) {',
    to: 'if (versions[i] !== undefined) {',
  },
  {
    name: 'lost-batch-not-noticed',
    class: '13',
    says: 'The ring of batch records is not looked at.',
    file: 'src/storage/batch-record.ts',
    from: 'checkComplete(newest, ring, noun);\n  checkLinks(newest, ring, noun);',
    to: 'void [checkComplete, checkLinks, ring];',
  },
  {
    name: 'entry-crc-not-checked',
    class: '2',
    says: 'The checksum of an entry is not looked at.',
    file: 'src/entry.ts',
    from: 'if (bytes.readUInt32BE(crcAt) !== entryCrc(partition, bytes)) return null;',
    to: '',
  },
  {
    name: 'row-crc-not-checked',
    class: '3',
    says: 'The checksum of a row is not looked at.',
    file: 'src/storage/record-codec.ts',
    from: 'if (stored.readUInt32BE(crcAt) !== recordCrc(key, value)) {',
    to: 'if (key.length === 0) {',
  },
];

export const hiddenOfStorage: readonly HiddenMutation[] = [
  {
    name: 'links-not-checked',
    class: '12',
    says: 'A start takes entries that do not link to the one before them.',
    // Without damage, which checksums and numbers find, only what was cut off could be such a tail.
    guard: 'a truncation removes what it cuts off, in the batch that writes the others',
    pair: 'old-tail-read-back',
    ...linksNotChecked,
  },
];
