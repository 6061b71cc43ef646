// Outcomes as the wire has them. An answer is written field by field: made as an object first, it would
// leave as much garbage as its command.
import { detailsOf, type Refusal } from '../errors.ts';
import { AppendError, type AppendErrorInput, Held } from '../gen/proto.ts';
import { asBuffer, createWriter, type Writer, writeNumber } from '../gen/wire.ts';
import type { Final, Outcome } from '../node/groups.ts';
import type { Node } from '../node/node.ts';
import { composeIdHalves } from '../order/ids.ts';
import type { Stored } from '../order/sequencer.ts';
import { encodeToken } from './read-token.ts';

/** Tags of AppendResult: field number and wire type. */
const resultTag = {
  seq: 0x08,
  rev: 0x10,
  id: 0x19,
  timeMs: 0x20,
  index: 0x28,
  term: 0x30,
  duplicate: 0x38,
  dedupeUntilMs: 0x40,
  error: 0x4a,
  readToken: 0x52,
  late: 0x58,
  lateFor: 0x60,
  epoch: 0x68,
  held: 0x72,
} as const;

/** Of AppendResponse. */
const unaryTag = { result: 0x0a, servedBy: 0x10 } as const;

/** Of AppendSessionResponse, AppendGroupResult and HeldResult. */
const responseTag = { groups: 0x0a, held: 0x12 } as const;
const groupTag = { frame: 0x08, group: 0x10, results: 0x1a, mapVersion: 0x20 } as const;
const heldTag = { frame: 0x08, group: 0x10, slot: 0x18, result: 0x22 } as const;

/** The map of a founded cluster without moved replicas; later changes raise it. */
export const mapVersion = 1;

/** What became of one group of a frame. */
export interface GroupAnswer {
  readonly frame: number;
  readonly group: number;
  readonly outcomes: readonly Outcome[];
}

/** What became of a command that was answered as held. */
export interface HeldAnswer {
  readonly frame: number;
  readonly group: number;
  readonly slot: number;
  readonly outcome: Final;
}

/** An AppendSessionResponse. */
export function encodeAnswers(
  node: Node,
  groups: readonly GroupAnswer[],
  held: readonly HeldAnswer[],
): Buffer {
  const writer = createWriter();
  const tokens = new Tokens(node);
  for (const { frame, group, outcomes } of groups) {
    writer.uint32(responseTag.groups).fork();
    writeNumber(writer, groupTag.frame, frame);
    writeNumber(writer, groupTag.group, group);
    for (const outcome of outcomes) {
      writer.uint32(groupTag.results).fork();
      writeResult(writer, outcome, tokens);
      writer.ldelim();
    }
    writeNumber(writer, groupTag.mapVersion, mapVersion);
    writer.ldelim();
  }
  for (const { frame, group, slot, outcome } of held) {
    writer.uint32(responseTag.held).fork();
    writeNumber(writer, heldTag.frame, frame);
    writeNumber(writer, heldTag.group, group);
    writeNumber(writer, heldTag.slot, slot);
    writer.uint32(heldTag.result).fork();
    writeResult(writer, outcome, tokens);
    writer.ldelim().ldelim();
  }
  return asBuffer(writer.finish());
}

/** An AppendResponse. */
export function encodeResponse(node: Node, outcome: Outcome): Buffer {
  const writer = createWriter();
  writer.uint32(unaryTag.result).fork();
  writeResult(writer, outcome, new Tokens(node));
  writer.ldelim();
  writeNumber(writer, unaryTag.servedBy, node.config.id);
  return asBuffer(writer.finish());
}

/** The read tokens of one response: what follows each other is mostly of one entry, and shares its token. */
class Tokens {
  readonly node: Node;
  private partition = -1;
  private index = -1;
  private newest: Buffer = Buffer.alloc(0);

  constructor(node: Node) {
    this.node = node;
  }

  of({ shard, index }: Stored): Buffer {
    const partition = this.node.partitionOf(shard);
    if (partition !== this.partition || index !== this.index) {
      this.newest = encodeToken(this.node, partition, index);
      this.partition = partition;
      this.index = index;
    }
    return this.newest;
  }
}

function writeResult(writer: Writer, outcome: Outcome, tokens: Tokens): void {
  switch (outcome.kind) {
    case 'stored':
      writeStored(writer, outcome, tokens);
      break;
    case 'refused':
      writer.uint32(resultTag.error).bytes(AppendError.encode(errorOf(outcome.refusal)));
      break;
    case 'held': {
      const { last: resendFrom, want } = outcome;
      writer.uint32(resultTag.held).bytes(Held.encode({ resendFrom, want }));
    }
  }
}

function writeStored(writer: Writer, stored: Stored, tokens: Tokens): void {
  const { timeMs, lateFor } = stored;
  const { windowMs } = tokens.node.config.cluster.dedupe;
  writeNumber(writer, resultTag.seq, stored.seq);
  writeNumber(writer, resultTag.rev, stored.rev);
  writeId(writer, stored);
  writeNumber(writer, resultTag.timeMs, timeMs);
  writeNumber(writer, resultTag.index, stored.index);
  writeNumber(writer, resultTag.term, stored.term);
  if (stored.duplicate) writer.uint32(resultTag.duplicate).bool(true);
  writeNumber(writer, resultTag.dedupeUntilMs, timeMs + windowMs);
  writer.uint32(resultTag.readToken).bytes(tokens.of(stored));
  if (lateFor !== null) {
    writer.uint32(resultTag.late).bool(true);
    writeNumber(writer, resultTag.lateFor, lateFor);
  }
  writeNumber(writer, resultTag.epoch, stored.epoch);
}

function writeId(writer: Writer, { idMs, shard, idCounter }: Stored): void {
  const [low, high] = composeIdHalves(idMs, shard, idCounter);
  if (low !== 0 || high !== 0) writer.uint32(resultTag.id).fixed32(low).fixed32(high);
}

function errorOf(refusal: Refusal): AppendErrorInput {
  return { reason: refusal.reason, message: refusal.message, ...detailsOf(refusal) };
}
