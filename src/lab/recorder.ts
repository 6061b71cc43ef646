// The history of a run as it is written down: events with their times, and the numbers and values in them.
import type { HistoryEvent, Untimed } from './history.ts';
import type { World } from './world.ts';

export class Recorder {
  readonly events: HistoryEvent[] = [];
  private readonly world: World;
  private processes = 0;
  /** Given so far. */
  values = 0;

  constructor(world: World) {
    this.world = world;
  }

  newProcess(): number {
    this.processes += 1;
    return this.processes;
  }

  /** Unique in the history. */
  newValue(): string {
    this.values += 1;
    return `v${this.values}`;
  }

  record(event: Untimed<HistoryEvent>): void {
    // What is added stands first: V8 copies slowly into an object that begins with a spread.
    this.events.push({ t_ns: Math.round(this.world.nowMs * 1e6), ...event });
  }

  /** Appends so far. */
  get acknowledged(): number {
    return this.events.filter(({ op, type }) => op === 'append' && type === 'ok').length;
  }
}
