// Kills this process with kill -9 at a named step of its store, for fault scripts: what a power cut at
// just that moment would do to the process. Set by PACELINE_CRASH_AT=STEP[:N]: at the Nth time.
import type { Store } from '../storage/types.ts';

export const crashSteps = [
  'opened',
  'before-founding',
  'after-founding',
  'before-recovery',
  'before-write',
  'after-write',
] as const;
type CrashStep = (typeof crashSteps)[number];

/** The store itself where no crash is asked for. */
export function withCrashPoints(store: Store, crashAt: string | undefined): Store {
  if (crashAt === undefined) return store;
  const [step = '', times = '1'] = crashAt.split(':');
  let left = Number(times);
  const reach = (at: CrashStep) => {
    if (at !== step) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, 'SIGKILL');
  };
  reach('opened');
  return {
    get identity() {
      return store.identity;
    },
    get founding() {
      return store.founding;
    },
    async putFounding(record) {
      reach('before-founding');
      await store.putFounding(record);
      reach('after-founding');
    },
    recover(partition) {
      reach('before-recovery');
      return store.recover(partition);
    },
    createBatch: () => store.createBatch(),
    async write(batch) {
      reach('before-write');
      await store.write(batch);
      reach('after-write');
    },
    getRows: (partition, keys) => store.getRows(partition, keys),
    getRowsOfAll: (requests) => store.getRowsOfAll(requests),
    scanRows: (partition, range) => store.scanRows(partition, range),
    readEntries: (partition, from, to, bytesMax) =>
      store.readEntries(partition, from, to, bytesMax),
    getEntries: (partition, indexes) => store.getEntries(partition, indexes),
    close: () => store.close(),
  };
}
