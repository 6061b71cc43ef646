// Append sessions as their client has them: what it has out of a partition is out at one node, and behind
// what was refused on a stream nothing of that conversation is stored until the client names it again.
import { type RawGroup, readFrame } from '../api/frames.ts';
import { decodeResponse } from '../client/frames.ts';
import type { ClientTransport, Rpc, Stream, StreamEvents } from '../client/types.ts';
import { scanCommand } from '../command.ts';
import type { AppendResult } from '../gen/proto.ts';
import { appendSessionPath } from '../gen/services.ts';
import type { World } from './world.ts';

const rules = {
  oneNode: 'what a client has out of a partition is out at one node',
  order: 'nothing is stored behind what was refused on its stream',
} as const;

/** One command of a stream, or the restart of its conversation. */
interface Item {
  readonly name: string;
  end: 'open' | 'stored' | 'refused' | 'restart' | 'other';
}

/** A conversation on a stream: from the oldest item that is open. */
interface Line {
  isBroken: boolean;
  readonly items: Item[];
}

interface Sent {
  readonly partition: number;
  readonly items: readonly Item[];
}

/** A transport whose append sessions are looked at: for one client. */
export class WatchedTransport implements ClientTransport {
  private readonly world: World;
  private readonly client: string;
  private readonly inner: ClientTransport;
  /** Where groups are out, by partition. */
  private readonly out = new Map<number, SessionChecker>();

  constructor(world: World, client: string, inner: ClientTransport) {
    this.world = world;
    this.client = client;
    this.inner = inner;
  }

  openStream(address: string, path: string, events: StreamEvents): Stream {
    if (path !== appendSessionPath) return this.inner.openStream(address, path, events);
    const session = new SessionChecker(this.world, `${this.client} at ${address}`, this.out);
    const stream = this.inner.openStream(address, path, {
      onResponse: (bytes) => {
        session.answered(bytes);
        events.onResponse(bytes);
      },
      onEnd: (error) => {
        session.ended();
        events.onEnd(error);
      },
    });
    return {
      send: (bytes) => {
        session.sent(bytes);
        stream.send(bytes);
      },
      close: () => {
        session.ended();
        stream.close();
      },
    };
  }

  call<Request, RequestInput, Response, ResponseInput>(
    address: string,
    rpc: Rpc<Request, RequestInput, Response, ResponseInput>,
    request: RequestInput,
    timeoutMs: number,
  ): Promise<Response> {
    return this.inner.call(address, rpc, request, timeoutMs);
  }

  close(): void {
    this.inner.close();
  }
}

export class SessionChecker {
  private readonly world: World;
  private readonly name: string;
  private readonly out: Map<number, SessionChecker>;
  private readonly groups = new Map<string, Sent>();
  private readonly lines = new Map<string, Line>();
  /** By partition. */
  private readonly groupsOut = new Map<number, number>();

  constructor(world: World, name: string, out: Map<number, SessionChecker>) {
    this.world = world;
    this.name = name;
    this.out = out;
  }

  sent(bytes: Buffer): void {
    const frame = readFrame(bytes);
    for (const [i, group] of (frame?.groups ?? []).entries()) {
      const { partition } = group;
      const elsewhere = this.out.get(partition);
      if (elsewhere !== undefined && elsewhere !== this) {
        const detail = `${this.name}: sends to partition ${partition} while more is out at ${elsewhere.name}`;
        this.world.break(rules.oneNode, detail);
      }
      this.out.set(partition, this);
      this.groupsOut.set(partition, (this.groupsOut.get(partition) ?? 0) + 1);
      const items = this.itemsOf(group, `frame ${frame?.frame}`);
      this.groups.set(`${frame?.frame} ${i}`, { partition, items });
    }
  }

  answered(bytes: Buffer): void {
    for (const { frame, group, results } of decodeResponse(bytes).groups) {
      const name = `${frame} ${group}`;
      const sent = this.groups.get(name);
      if (sent === undefined) continue;
      this.groups.delete(name);
      const left = (this.groupsOut.get(sent.partition) ?? 0) - 1;
      this.groupsOut.set(sent.partition, left);
      if (left === 0) this.out.delete(sent.partition);
      for (const [slot, item] of sent.items.entries()) item.end = endOf(results[slot]);
      for (const conversation of new Set(sent.items.map((item) => item.name))) {
        this.judge(conversation);
      }
    }
  }

  ended(): void {
    for (const [partition, session] of this.out) if (session === this) this.out.delete(partition);
  }

  private itemsOf({ restart, commands }: RawGroup, frame: string): Item[] {
    for (const name of restart) this.line(name).items.push({ name, end: 'restart' });
    return commands.map((bytes) => {
      const scanned = scanCommand(bytes);
      const name = scanned.kind === 'command' ? scanned.command.conversation : `none of ${frame}`;
      const item: Item = { name, end: 'open' };
      this.line(name).items.push(item);
      return item;
    });
  }

  /** What is answered up to the oldest one that is open is not looked at again. */
  private judge(conversation: string): void {
    const line = this.line(conversation);
    let { isBroken } = line;
    let isFirst = true;
    let done = 0;
    for (const { end } of line.items) {
      if (end === 'open') isFirst = false;
      else if (end === 'restart') isBroken = false;
      else if (end === 'refused') isBroken = true;
      else if (end === 'stored' && isBroken) {
        const detail = `${this.name}: a message of ${conversation} is stored, an earlier one was refused`;
        this.world.break(rules.order, detail);
      }
      if (!isFirst) continue;
      done += 1;
      line.isBroken = isBroken;
    }
    line.items.splice(0, done);
  }

  private line(conversation: string): Line {
    let line = this.lines.get(conversation);
    if (line === undefined) {
      line = { isBroken: false, items: [] };
      this.lines.set(conversation, line);
    }
    return line;
  }
}

/** A duplicate was stored before, whatever becomes of those that were sent before it. */
function endOf(result: AppendResult | undefined): Item['end'] {
  if (result === undefined || result.error !== null) return 'refused';
  return result.held === null && !result.duplicate ? 'stored' : 'other';
}
