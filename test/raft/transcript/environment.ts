// The nodes of one transcript, the messages between them, and what the running verb has said so far.

import type { ReplicaId } from '../../../src/raft/types.ts';
import type { Message } from '../replica.ts';
import { describeMessage, describeReady, describeSnapshot, describeStep } from './describe.ts';
import type { TranscriptNode } from './node.ts';

/** More than any exchange in a transcript needs; only an endless one gets here. */
const STABILIZE_ROUNDS_MAX = 1000;

/** An answer that a script may expect: what was asked is refused, by the core or for the lack of a feature. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}

export const logLevels = ['debug', 'info', 'warn', 'error', 'fatal', 'none'] as const;
export type LogLevel = (typeof logLevels)[number];

/** On the way: a message, or the word of a node's append thread that a step is durable. */
type Parcel =
  | { readonly kind: 'message'; readonly to: ReplicaId; readonly message: Message }
  | { readonly kind: 'durable'; readonly to: ReplicaId; readonly appendSeq: number };

export interface Recipient {
  readonly id: ReplicaId;
  readonly isDropped: boolean;
}

export class Environment {
  readonly nodes: TranscriptNode[] = [];
  logLevel: LogLevel = 'debug';
  #parcels: Parcel[] = [];
  #said: string[] = [];
  /** How often stabilize has found something to do. */
  #moves = 0;

  node(id: ReplicaId): TranscriptNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new Refusal(`no node ${id}`);
    return node;
  }

  say(...lines: string[]): void {
    this.#said.push(...lines);
  }

  takeSaid(): string[] {
    return this.#said.splice(0);
  }

  /** Runs `action` for each; where there are several, under a heading each. */
  forEach(
    ids: readonly ReplicaId[],
    heading: string,
    action: (node: TranscriptNode) => void,
  ): void {
    for (const id of ids) {
      if (ids.length === 1) action(this.node(id));
      else this.#under(`> ${id} ${heading}`, () => action(this.node(id)));
    }
  }

  processReady(node: TranscriptNode): void {
    const ready = node.takeReady();
    const lines = describeReady(ready);
    this.say(...(lines.length > 0 ? lines : ['nothing ready']));
    this.#send(node.process(ready));
  }

  processAppendThread(node: TranscriptNode): void {
    const steps = node.appendWork.shift();
    if (steps === undefined) this.say('no append work');
    for (const step of steps ?? []) {
      this.say(describeStep(step));
      const messages = node.write(step);
      this.say(...messages.map((message) => `send ${describeMessage(message)}`));
      this.#send(messages);
      this.#parcels.push({ kind: 'durable', to: node.id, appendSeq: step.appendSeq });
    }
  }

  processApplyThread(node: TranscriptNode): void {
    const work = node.applyWork.shift();
    if (work === undefined) {
      this.say('no apply work');
      return;
    }
    const { restored, committed } = work;
    node.apply(work);
    if (restored !== null) this.say(`took over ${describeSnapshot(restored)}`);
    if (committed.length > 0) {
      this.say(`applied ${committed[0]?.index} to ${committed.at(-1)?.index}`);
    }
  }

  /** A message that no node had to send. */
  post(message: Message): void {
    this.say(`send ${describeMessage(message)}`);
    this.#send([message]);
  }

  /** All, where no kind of message is wanted. Returns how many parcels were delivered or dropped. */
  deliver(
    recipients: readonly Recipient[],
    isWanted: ((message: Message) => boolean) | null,
  ): number {
    let count = 0;
    for (const { id, isDropped } of recipients) {
      const isTaken = (parcel: Parcel): boolean => {
        if (parcel.to !== id) return false;
        if (parcel.kind === 'message') return isWanted === null || isWanted(parcel.message);
        // What a disk says to its own node is never lost.
        return isWanted === null && !isDropped;
      };
      const taken = this.#parcels.filter(isTaken);
      this.#parcels = this.#parcels.filter((parcel) => !isTaken(parcel));
      for (const parcel of taken) this.#handOver(parcel, isDropped);
      count += taken.length;
    }
    return count;
  }

  /** Everything that these nodes can do and say to each other, until nothing moves. */
  stabilize(nodes: readonly TranscriptNode[]): void {
    for (let round = 0; this.#stabilizeOnce(nodes); round += 1) {
      if (round >= STABILIZE_ROUNDS_MAX) throw new Error('the nodes do not come to rest');
    }
  }

  #stabilizeOnce(nodes: readonly TranscriptNode[]): boolean {
    const before = this.#moves;
    for (const node of nodes) {
      if (node.hasReady) this.#move(`> ${node.id} ready`, () => this.processReady(node));
    }
    for (const node of nodes) {
      if (!this.#parcels.some(({ to }) => to === node.id)) continue;
      const recipient = { id: node.id, isDropped: false };
      this.#move(`> ${node.id} receives`, () => this.deliver([recipient], null));
    }
    for (const node of nodes) {
      while (node.appendWork.length > 0) {
        this.#move(`> ${node.id} append thread`, () => this.processAppendThread(node));
      }
    }
    for (const node of nodes) {
      while (node.applyWork.length > 0) {
        this.#move(`> ${node.id} apply thread`, () => this.processApplyThread(node));
      }
    }
    return this.#moves > before;
  }

  #move(heading: string, action: () => void): void {
    this.#moves += 1;
    this.#under(heading, action);
  }

  #handOver(parcel: Parcel, isDropped: boolean): void {
    if (parcel.kind === 'durable') {
      this.say(`#${parcel.appendSeq} is durable`);
      this.node(parcel.to).persisted(parcel.appendSeq);
      return;
    }
    this.say(`${isDropped ? 'dropped: ' : ''}${describeMessage(parcel.message)}`);
    if (!isDropped) this.node(parcel.to).receive(parcel.message);
  }

  #send(messages: readonly Message[]): void {
    for (const message of messages) {
      this.#parcels.push({ kind: 'message', to: message.to, message });
    }
  }

  #under(heading: string, action: () => void): void {
    const before = this.takeSaid();
    action();
    const within = this.takeSaid();
    this.say(...before, heading, ...within.map((line) => `  ${line}`));
  }
}
