// What a hostile or broken client may send: random bytes, frames with bytes changed, and frames that look
// right whose commands break one rule or none. Each command that could be stored carries its own mark.
import { crc32 } from '../../src/checksum.ts';
import { type AppendCommandInput, AppendSessionRequest } from '../../src/gen/proto.ts';
import { partitionIn } from './partitions.ts';

export interface FuzzFrame {
  readonly bytes: Buffer;
  /** Marks by group and slot; null: nothing is known of what was sent. */
  readonly marks: readonly (readonly string[])[] | null;
}

/** Frames of which nothing is known count from here: no answer to them is taken for another's. */
const changedFramesFrom = 2 ** 40;

export const fuzzRooms = Array.from({ length: 12 }, (_, i) => `g:fuzz-${i}`);

export function markedBody(mark: string): Buffer {
  return Buffer.from(`mark:${mark}:${crc32(Buffer.from(mark))};`);
}

/** undefined where the body was changed on its way: it may read as the mark of another command. */
export function markOf(body: string): string | undefined {
  const [, mark = '', sum] = /mark:([^;:]*):(\d+);/.exec(body) ?? [];
  return sum === String(crc32(Buffer.from(mark))) ? mark : undefined;
}

export class FuzzInput {
  private readonly random: () => number;
  private readonly name: string;
  private made = 0;

  constructor(random: () => number, name: string) {
    this.random = random;
    this.name = name;
  }

  frame(number: number, partitions: number): FuzzFrame {
    const dice = this.random();
    if (dice < 0.02) return { bytes: this.bytes(200), marks: null };
    const changed = dice < 0.04;
    const groups = Array.from({ length: 1 + this.below(3) }, () => this.group(partitions));
    const bytes = AppendSessionRequest.encode({
      frame: changed ? changedFramesFrom + number : number,
      groups: groups.map(({ group }) => group),
    });
    if (!changed) return { bytes, marks: groups.map(({ marks }) => marks) };
    for (let i = 0; i < 1 + this.below(4); i++) bytes[this.below(bytes.length)] = this.below(256);
    return { bytes, marks: null };
  }

  bytes(lengthMax: number): Buffer {
    return Buffer.from(Array.from({ length: this.below(lengthMax) }, () => this.below(256)));
  }

  private group(partitions: number) {
    const room = this.pick(fuzzRooms);
    const atomic = this.random() < 0.1;
    const commands = Array.from({ length: 1 + this.below(5) }, () => this.command(room));
    const right = partitionIn(room, partitions);
    const partition = this.random() < 0.97 ? right : this.below(partitions * 2);
    const restart = fuzzRooms.filter(() => this.random() < 0.9);
    return {
      group: { partition, atomic, restart, commands: commands.map(({ command }) => command) },
      marks: commands.map(({ mark }) => mark),
    };
  }

  private command(conversation: string): { command: AppendCommandInput; mark: string } {
    this.made += 1;
    const mark = `${this.name}-${this.made}`;
    const command: AppendCommandInput = {
      conversation,
      sender: `sender-${this.below(4)}`,
      body: markedBody(mark),
    };
    if (this.random() < 0.7) command.key = this.random() < 0.8 ? mark : `shared-${this.below(9)}`;
    if (this.random() < 0.6) this.chain(command);
    if (this.random() < 0.1) command.expectedSeq = this.below(50);
    if (this.random() < 0.1) command.seenSeq = this.below(50);
    if (this.random() < 0.1) command.pending = true;
    if (this.random() < 0.08) this.event(command);
    if (this.random() < 0.15) this.spoil(command);
    return { command, mark };
  }

  private chain(command: AppendCommandInput): void {
    const clientSeq = 1 + this.below(40);
    command.clientSeq = clientSeq;
    if (this.random() < 0.9) command.prevClientSeq = this.below(clientSeq + 1);
    if (this.random() < 0.7) command.device = `device-${this.below(20)}`;
    if (this.random() < 0.4) command.epoch = this.below(4);
  }

  private event(command: AppendCommandInput): void {
    if (this.random() < 0.8) delete command.body;
    const seq = this.below(30);
    const of = this.below(5);
    if (of === 0) {
      const [order, gapAction, pendingEnd] = [this.below(4), this.below(5), this.below(4)];
      const [gapWaitMs, pendingTtlMs] = [this.below(400), this.below(2000)];
      command.setPolicy = { order, gapAction, gapWaitMs, pendingTtlMs, pendingEnd };
    } else if (of === 1) command.release = { seq };
    else if (of === 2) command.reject = { seq };
    else if (of === 3) command.registerDevice = { device: 'd'.repeat(this.below(80)) };
    else command.gapMarker = { after: seq, before: seq + 2 };
  }

  /** Breaks one rule. */
  private spoil(command: AppendCommandInput): void {
    const spoils: (() => void)[] = [
      () =>
        (command.conversation = this.pick([
          '',
          'fuzz',
          'g:',
          'g:a b',
          'p:a~a',
          'x:\u0000',
          'r2:a',
        ])),
      () => (command.sender = this.pick(['', 's'.repeat(129), '\ud800'])),
      () => (command.key = 'k'.repeat(65)),
      () => (command.contentType = 't'.repeat(129)),
      () => (command.headers = Array.from({ length: 33 }, () => ({ name: 'n', value: 'v' }))),
      () => (command.headers = [{ name: '', value: 'v' }]),
      () => (command.headers = [{ name: 'n', value: 'v'.repeat(5000) }]),
      () => (command.device = 'd'.repeat(65)),
      () => (command.prevClientSeq = 2 ** 52),
      () => (command.clientSeq = Number.MAX_SAFE_INTEGER),
      () =>
        (command.body = Buffer.concat([command.body ?? Buffer.alloc(0), Buffer.alloc(262_145)])),
    ];
    this.pick(spoils)();
  }

  private pick<T>(from: readonly T[]): T {
    const found = from[this.below(from.length)];
    if (found === undefined) throw new Error('picked from nothing');
    return found;
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit);
  }
}
