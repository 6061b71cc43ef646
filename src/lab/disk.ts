// A simulated disk that holds one store's rows in order. What was written with sync outlives every crash;
// what was not outlives that of the process alone. It can be slow, stall, be full, fail an fsync, and
// damage what it holds; what it did is counted, as a fault that nobody meets proves nothing.
import { assert } from '../assert.ts';
import type {
  Database,
  DatabaseBatch,
  DatabaseIterator,
  DatabaseRange,
  StoredRow,
} from '../storage/database.ts';
import { entryKey, firstGeneration, hardStateKey, homeOf } from '../storage/keys.ts';
import type { Machine } from './machine.ts';
import { SortedRows } from './sorted-rows.ts';

type Operation = readonly [key: string, value: Buffer | null];
type Operations = readonly Operation[];

/** Batches that LevelDB would still have in its log, so that its recovery could skip one. */
const logBatches = 48;
/** Some reads take longer than a write. */
const slowReads = { chance: 0.03, mostMs: 60 } as const;

export interface DiskTimes {
  readonly readMs: number;
  /** The longest of a usual sync. */
  readonly syncMs: number;
}

export class Disk {
  readonly rows = new SortedRows();
  /** Damaged in a way that its node cannot repair by itself. */
  damaged = false;
  /** A batch in the middle is gone, and later ones are there. */
  lostBatch = false;
  full = false;
  /** Every read takes up to so much longer. */
  busyMs = 0;
  /** The next sync fails. */
  failsSync = false;
  /** Called once, at some moment of the next write. */
  duringWrite: (() => void) | null = null;
  /** What its node met: writes stalled, failed, torn off by a crash. */
  readonly met = { stalled: 0, refused: 0, lost: 0, kept: 0 };
  private readonly machine: Machine;
  private readonly times: DiskTimes;
  private stalledUntilMs = 0;
  /** In flight: whether a crash keeps it is decided by chance. */
  private writing: Operations | null = null;
  /** Written without sync. */
  private unsynced: { readonly undo: Operations }[] = [];
  /** The newest batches, with what stood there before. */
  private readonly log: { readonly undo: Operations; readonly done: Operations }[] = [];

  constructor(machine: Machine, times: DiskTimes) {
    this.machine = machine;
    this.times = times;
  }

  /** For one incarnation of the process. */
  open(): Database {
    this.machine.onDeath(() => this.crash());
    return new OpenDatabase(this, this.machine);
  }

  get readMs(): number {
    const { random } = this.machine;
    const isSlow = this.busyMs > 0 || random.chance(slowReads.chance);
    const slowMs = isSlow ? (this.busyMs || slowReads.mostMs) * random.next() : 0;
    return this.stallLeftMs + this.times.readMs * random.next() + slowMs;
  }

  stall(ms: number): void {
    this.stalledUntilMs = this.machine.world.nowMs + ms;
  }

  endFaults(): void {
    this.stalledUntilMs = 0;
    this.full = false;
    this.busyMs = 0;
    this.failsSync = false;
    this.duringWrite = null;
  }

  wipe(): void {
    this.rows.clear();
    this.log.length = 0;
    this.unsynced = [];
    this.damaged = true;
    this.lostBatch = false;
  }

  /** Power is lost: what was written without sync may be gone, whole batches of it, newest first. */
  losePower(): void {
    const { random } = this.machine;
    const keep = random.below(this.unsynced.length + 1);
    for (const { undo } of this.unsynced.splice(keep).reverse()) this.apply(undo);
    this.unsynced = [];
  }

  /** One bit of one value, chosen by chance among those that `matches`. Returns whether there was one. */
  flipBit(matches: (key: string) => boolean): boolean {
    const { random } = this.machine;
    const key = this.anyKey(matches);
    const value = key === null ? undefined : this.rows.get(key);
    if (key === null || value === undefined || value.length === 0) return false;
    const flipped = Buffer.from(value);
    const at = random.below(value.length);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
    this.rows.put(key, flipped);
    this.damaged = true;
    return true;
  }

  /** The value of one row is written to the place of another. */
  misdirect(matches: (key: string) => boolean): boolean {
    const [from, to] = [this.anyKey(matches), this.anyKey(matches)];
    if (from === null || to === null || from === to) return false;
    const [one, other] = [this.rows.get(from), this.rows.get(to)];
    if (one === undefined || other === undefined || one.equals(other)) return false;
    this.rows.put(to, one);
    this.damaged = true;
    return true;
  }

  /** A row is gone without a trace. */
  loseRow(matches: (key: string) => boolean): boolean {
    const key = this.anyKey(matches);
    if (key === null) return false;
    this.rows.delete(key);
    this.damaged = true;
    return true;
  }

  /** A vote stands there, and nothing of the log yet. */
  hasOnlyVote(partition: number): boolean {
    const first = entryKey({ partition, generation: firstGeneration }, 1).toString('latin1');
    return this.rows.get(voteKey(partition)) !== undefined && this.rows.get(first) === undefined;
  }

  loseVote(partition: number): void {
    this.loseRow((key) => key === voteKey(partition));
  }

  /** LevelDB's recovery goes on behind a batch that it could not read. Only while nothing runs on it. */
  skipBatch(): boolean {
    const { random } = this.machine;
    assert(!this.machine.alive, 'a batch is skipped by a recovery');
    if (this.log.length < 3) return false;
    const at = random.below(this.log.length - 1);
    const later = this.log.slice(at);
    // The state has batch records of its own, below what the lab stands in for.
    if (later[0]?.done.every(isOfState)) return false;
    for (const { undo } of [...later].reverse()) this.apply(undo);
    for (const { done } of later.slice(1)) this.apply(done);
    this.log.length = 0;
    this.damaged = true;
    this.lostBatch = true;
    return true;
  }

  begin(operations: Operations): number {
    const { random } = this.machine;
    assert(this.writing === null, 'the lab knows one write in flight');
    this.writing = operations;
    if (this.stallLeftMs > 0) this.met.stalled += 1;
    const takesMs = this.stallLeftMs + this.times.syncMs * (0.2 + 0.8 * random.next());
    const { duringWrite } = this;
    this.duringWrite = null;
    if (duringWrite !== null) {
      this.machine.world.after(takesMs * random.next(), this.machine, duringWrite);
    }
    return takesMs;
  }

  /** What a write ends with: an error, or null. */
  end(sync: boolean): Error | null {
    const { writing } = this;
    assert(writing !== null, 'what ends was begun');
    this.writing = null;
    if (this.full || (this.failsSync && sync)) {
      this.met.refused += 1;
      // Some of it may have got there: nobody can tell.
      if (!this.full && this.machine.random.chance(0.5)) this.commit(writing, true);
      this.failsSync = false;
      return new Error(this.full ? 'no space left on device' : 'fsync: input/output error');
    }
    this.commit(writing, sync);
    return null;
  }

  private get stallLeftMs(): number {
    return Math.max(0, this.stalledUntilMs - this.machine.world.nowMs);
  }

  private crash(): void {
    const { writing } = this;
    this.writing = null;
    if (writing === null) return;
    // Log and state lie in databases of their own: what was on its way to one may be there, and the rest not.
    const parts = [writing.filter(isOfState), writing.filter((each) => !isOfState(each))];
    const kept = parts.filter((part) => {
      const isKept = part.length > 0 && !this.full && this.machine.random.chance(0.5);
      if (part.length > 0) this.met[isKept ? 'kept' : 'lost'] += 1;
      return isKept;
    });
    if (kept.length > 0) this.commit(kept.flat(), true);
  }

  private commit(done: Operations, sync: boolean): void {
    const undo = done.map(([key]) => [key, this.rows.get(key) ?? null] as const).reverse();
    this.apply(done);
    if (sync) this.unsynced = [];
    else this.unsynced.push({ undo });
    this.log.push({ undo, done });
    if (this.log.length > logBatches) this.log.shift();
  }

  private apply(operations: Operations): void {
    for (const [key, value] of operations) {
      if (value === null) this.rows.delete(key);
      else this.rows.put(key, value);
    }
  }

  private anyKey(matches: (key: string) => boolean): string | null {
    const keys = this.rows.keys().filter(matches);
    return keys.length === 0 ? null : this.machine.random.pick(keys);
  }
}

class OpenDatabase implements Database {
  private readonly disk: Disk;
  private readonly machine: Machine;

  constructor(disk: Disk, machine: Machine) {
    this.disk = disk;
    this.machine = machine;
  }

  get(key: Buffer): Promise<Buffer | undefined> {
    return this.read(() => this.disk.rows.get(textOf(key)));
  }

  getMany(keys: Buffer[]): Promise<(Buffer | undefined)[]> {
    return this.read(() => keys.map((key) => this.disk.rows.get(textOf(key))));
  }

  iterator({ gte, lt, reverse }: DatabaseRange): DatabaseIterator {
    const rows = this.disk.rows.range(textOf(gte), textOf(lt));
    if (reverse) rows.reverse();
    let at = 0;
    return {
      nextv: (size) =>
        this.read(() => {
          const next = rows.slice(at, at + size);
          at += next.length;
          return next.map(([key, value]): StoredRow => [Buffer.from(key, 'latin1'), value]);
        }),
      close: async () => {},
    };
  }

  batch(): DatabaseBatch {
    const operations: Operation[] = [];
    return {
      put: (key, value) => operations.push([textOf(key), value]),
      del: (key) => operations.push([textOf(key), null]),
      write: ({ sync }) => this.write(operations, sync),
    };
  }

  async close(): Promise<void> {}

  /** As of some moment between its beginning and its end. */
  private read<Result>(answer: () => Result): Promise<Result> {
    const { world, random } = this.machine;
    const early = random.chance(0.5) ? { result: answer() } : null;
    return new Promise((resolve) => {
      world.after(this.disk.readMs, this.machine, () => {
        resolve(early === null ? answer() : early.result);
      });
    });
  }

  private write(operations: Operations, sync: boolean): Promise<void> {
    const { world } = this.machine;
    const takesMs = this.disk.begin(operations);
    for (const [key, value] of operations) {
      world.trace.note(key.length);
      if (value !== null) world.trace.noteBytes(value);
    }
    return new Promise((resolve, reject) => {
      world.after(takesMs, this.machine, () => {
        const error = this.disk.end(sync);
        if (error === null) resolve();
        else reject(error);
      });
    });
  }
}

function isOfState([key]: Operation): boolean {
  return homeOf(Buffer.from(key, 'latin1')) === 'state';
}

function voteKey(partition: number): string {
  return textOf(hardStateKey(partition));
}

function textOf(key: Buffer): string {
  return key.toString('latin1');
}
