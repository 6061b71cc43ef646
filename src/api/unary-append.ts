// The simple, slow way to append: any node takes one command and sees it through, here or at the
// leader, waiting a while for a leader where there is none.
import type { Clock } from '../clock.ts';
import { PacelineError, type Refusal } from '../errors.ts';
import {
  AppendCommand,
  type AppendRequest,
  type AppendRequestInput,
  type AppendResponse,
  type AppendResponseInput,
  AppendResult,
  type AppendResultInput,
} from '../gen/proto.ts';
import type { Final } from '../node/groups.ts';
import type { Node } from '../node/node.ts';
import type { Placed } from '../order/sequencer.ts';
import { encodeResult } from './answers.ts';
import { checkCommand } from './check.ts';

const pauseMs = 25;

/** Passes an append on to another node, once. */
export interface Forwarder {
  /** The leader's answer or refusal; NO_LEADER: it was not reached; OUTCOME_UNKNOWN: it was, perhaps. */
  append(
    address: string,
    request: AppendRequestInput,
    timeoutMs: number,
  ): Promise<AppendResponse | Refusal>;
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

  /** Errors: bad input, the sequencer's refusals, NO_LEADER, OUTCOME_UNKNOWN. */
  async append(request: AppendRequest): Promise<AppendResponseInput> {
    if (request.command === null) {
      const message = 'command is missing';
      throw new PacelineError({ reason: 'BAD_REQUEST', field: 'command', message });
    }
    const placed = checkCommand(this.node, AppendCommand.encode(request.command));
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

  private async attempt(
    placed: Placed,
    forwarded: boolean,
  ): Promise<AppendResponseInput | Refusal> {
    const outcome = await this.submit(placed);
    if (outcome.kind === 'stored') {
      const result = AppendResult.decode(encodeResult(this.node, outcome));
      return { result: inputOf(result), servedBy: this.node.config.id };
    }
    const { refusal } = outcome;
    if (forwarded || refusal.leaderAddress === undefined) return refusal;
    return this.forward(placed, refusal.leaderAddress, refusal);
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

  private async forward(
    placed: Placed,
    address: string,
    refusal: Refusal,
  ): Promise<AppendResponseInput | Refusal> {
    const command = AppendCommand.decode(placed.command.bytes);
    const request = { command: { ...command }, forwarded: true };
    const answer = await this.forwarder.append(
      address,
      request,
      this.node.config.limits.leaderWaitMs,
    );
    if (!('servedBy' in answer)) return answer.reason === 'NO_LEADER' ? refusal : answer;
    return { result: inputOf(answer.result), servedBy: answer.servedBy };
  }
}

/** Where nothing was stored, or a key makes a repeat harmless. */
function mayRepeat(refusal: Refusal, placed: Placed): boolean {
  const { reason } = refusal;
  if (reason === 'OUTCOME_UNKNOWN') return placed.command.identity !== '';
  return reason === 'NOT_LEADER' || reason === 'NO_LEADER';
}

/** Own properties only: what was sent. */
function inputOf(result: AppendResult | null): AppendResultInput {
  const { error: _error, ...sent } = { ...result };
  return sent;
}
