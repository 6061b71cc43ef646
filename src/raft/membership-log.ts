// The memberships in the log of one replica. The newest entry that has one decides, committed or not
// (thesis 4.1); when it is cut off, the one before it decides again.

import { assert } from '../assert.ts';
import { assertMembership, isVoter, type Membership, type ReplicaId } from './membership.ts';

interface Placed {
  readonly index: number;
  readonly membership: Membership;
}

export class MembershipLog {
  /** Ascending; the first is the newest that is applied, which nothing cuts off. */
  readonly #placed: Placed[];
  #newest: Placed;

  constructor(index: number, membership: Membership) {
    assertMembership(membership);
    this.#newest = { index, membership };
    this.#placed = [this.#newest];
  }

  get current(): Membership {
    return this.#newest.membership;
  }

  /** The index of the entry that decides. */
  get index(): number {
    return this.#newest.index;
  }

  append(index: number, membership: Membership): void {
    assert(index > this.index, 'memberships come in the order of the log');
    assertMembership(membership);
    this.#newest = { index, membership };
    this.#placed.push(this.#newest);
  }

  /** Nothing that stood before can decide again. */
  restore(index: number, membership: Membership): void {
    assertMembership(membership);
    this.#newest = { index, membership };
    this.#placed.splice(0, this.#placed.length, this.#newest);
  }

  truncateFrom(index: number): void {
    const kept = this.#placed.filter((placed) => placed.index < index);
    const newest = kept.at(-1);
    assert(newest !== undefined, 'what is applied is not cut off');
    this.#placed.length = kept.length;
    this.#newest = newest;
  }

  /** Whether an entry above `from`, up to `to`, has a membership. */
  changesBetween(from: number, to: number): boolean {
    return this.#placed.some(({ index }) => index > from && index <= to);
  }

  /** Whether one that decides, or decides again where what follows it is cut off, has `id` as a voter. */
  mayHaveVoter(id: ReplicaId): boolean {
    return this.#placed.some(({ membership }) => isVoter(membership, id));
  }

  /** Forgets what an applied membership has replaced. */
  applied(index: number): void {
    while ((this.#placed[1]?.index ?? Infinity) <= index) this.#placed.shift();
  }
}
