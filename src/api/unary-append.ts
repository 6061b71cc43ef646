// The simple, slow way to append: whichever node is asked takes one command and sees it through, here or at the
// leader, waiting a while for a leader where there is none.
import type { Clock } from '../clock.ts';
import { commandLimits } from '../command.ts';
import { policyLimits } from '../command-event.ts';
import { PacelineError, type Refusal } from '../errors.ts';
import { asBuffer, createReader, createWriter, skipField } from '../gen/wire.ts';
import type { Final } from '../node/groups.ts';
import type { Node } from '../node/node.ts';
import type { Placed } from '../order/sequencer.ts';
import { encodeResponse } from './answers.ts';
import { checkCommand } from './check.ts';

const pauseMs = 25;

/** Tags of AppendRequest: field number and wire type. */
const requestTag = { command: 0x0a, forwarded: 0x10 } as const;

/** An AppendRequest. */
interface RawRequest {
  /** As it came; null: there is none. */
  readonly command: Uint8Array | null;
  readonly forwarded: boolean;
}

/** Passes an append on to another node, once. */
export interface Forwarder {
  /**
   * An AppendRequest to the leader, and its AppendResponse or refusal; NO_LEADER: it was not reached;
   * OUTCOME_UNKNOWN: it was, perhaps.
   */
  append(address: string, request: Buffer, timeoutMs: number): Promise<Buffer | Refusal>;
}

/** What a forwarder says where the leader said nothing. */
export const forwardRefusals = {
  notReached: { reason: 'NO_LEADER', message: 'the leader was not reached' },
  noAnswer: {
    reason: 'OUTCOME_UNKNOWN',
    message: 'the connection to the leader was lost before it answered',
  },
} as const satisfies Record<string, Refusal>;

export class UnaryAppends {
  private readonly node: Node;
  private readonly clock: Clock;
  private readonly forwarder: Forwarder;

  constructor(node: Node, forwarder: Forwarder) {
    this.node = node;
    this.forwarder = forwarder;
    this.clock = node.clock;
  }

  /** An AppendResponse. Errors: bad input, the sequencer's refusals, NO_LEADER, OUTCOME_UNKNOWN. */
  async append(request: RawRequest): Promise<Buffer> {
    if (request.command === null) {
      const message = 'command is missing';
      throw new PacelineError({ reason: 'BAD_REQUEST', field: 'command', message });
    }
    const placed = checkCommand(this.node, request.command);
    if ('reason' in placed) throw new PacelineError(placed);
    const deadlineMs = this.clock.monotonicMs() + this.node.config.limits.leaderWaitMs;
    let unknown: Refusal | null = null;
    for (;;) {
      const attempt = await this.attempt(placed, request.forwarded);
      if (!('reason' in attempt)) return attempt;
      if (attempt.reason === 'OUTCOME_UNKNOWN') unknown = attempt;
      const late = this.clock.monotonicMs() >= deadlineMs;
      const again = !late && !request.forwarded && mayRepeat(attempt, placed);
      if (!again) throw new PacelineError(unknown ?? attempt);
      await new Promise<void>((resolve) => this.clock.after(pauseMs, resolve));
    }
  }

  private async attempt(placed: Placed, forwarded: boolean): Promise<Buffer | Refusal> {
    const outcome = await this.submit(placed);
    if (outcome.kind === 'stored') return encodeResponse(this.node, outcome);
    const { refusal } = outcome;
    if (forwarded || refusal.leaderAddress === undefined) return refusal;
    return this.forward(placed, refusal.leaderAddress);
  }

  /** The end of it: where it is held, once the hold ends. */
  private submit(placed: Placed): Promise<Final> {
    const partition = this.node.partitionOf(placed.shard);
    const bytes = placed.command.bytes.length;
    return new Promise((resolve) => {
      this.node.submit({
        partition,
        commands: [placed],
        bytes,
        atomic: false,
        restart: [],
        session: null,
        done: ([outcome]) => {
          if (outcome !== undefined && outcome.kind !== 'held') resolve(outcome);
        },
        later: (_slot, outcome) => resolve(outcome),
      });
    });
  }

  private async forward({ command }: Placed, address: string): Promise<Buffer | Refusal> {
    const { leaderWaitMs } = this.node.config.limits;
    // It may have to wait for the one before it first.
    const mayBeHeld = command.link !== null && command.link.prev !== null;
    const heldMs = mayBeHeld ? policyLimits.gapWaitMs : 0;
    const request = encodeForwarded(command.bytes);
    return this.forwarder.append(address, request, leaderWaitMs + heldMs);
  }
}

/** Where nothing was stored, or a key makes a repeat harmless. */
function mayRepeat(refusal: Refusal, placed: Placed): boolean {
  const { reason } = refusal;
  if (reason === 'OUTCOME_UNKNOWN') return placed.command.identity !== '';
  return reason === 'NOT_LEADER' || reason === 'NO_LEADER';
}

/** Throws where the bytes are no AppendRequest. */
export function readRequest(bytes: Buffer): RawRequest {
  const parts: Uint8Array[] = [];
  let forwarded = false;
  const reader = createReader(bytes);
  for (let fields = 1; reader.pos < reader.len; fields += 1) {
    if (fields > commandLimits.fields) throw new RangeError('too many fields');
    const tag = reader.tag();
    if (tag === requestTag.command) parts.push(reader.bytes());
    else if (tag === requestTag.forwarded) forwarded = reader.bool();
    else skipField(reader, tag);
  }
  const [first = null] = parts;
  // Several are one: protobuf puts them together so.
  return { command: parts.length > 1 ? Buffer.concat(parts) : first, forwarded };
}

function encodeForwarded(command: Uint8Array): Buffer {
  const writer = createWriter();
  writer.uint32(requestTag.command).bytes(command).uint32(requestTag.forwarded).bool(true);
  return asBuffer(writer.finish());
}
