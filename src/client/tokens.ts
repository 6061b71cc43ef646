// The newest read token of each partition that this client was given: its reads and subscriptions are
// not older than what it has seen or written.

export interface KnownToken {
  readonly index: number;
  readonly token: Uint8Array;
}

export class Tokens {
  private readonly newest = new Map<number, KnownToken>();

  learn(partition: number, index: number, token: Uint8Array): void {
    const known = this.newest.get(partition);
    if (token.length > 0 && (known === undefined || index > known.index)) {
      this.newest.set(partition, { index, token });
    }
  }

  /** undefined: nothing is known of that partition yet. */
  get(partition: number): Uint8Array | undefined {
    return this.known(partition)?.token;
  }

  known(partition: number): KnownToken | undefined {
    return this.newest.get(partition);
  }
}
