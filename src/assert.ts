// Assertions, always on: a broken one means that a promise can no longer be kept, so the partition,
// or the process where storage is suspect, stops. Never used for input from outside.

export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

export function assert(condition: boolean, rule: string): asserts condition {
  if (!condition) throw new InvariantError(rule);
}

/** For the default of an exhaustive switch: compiles only when every case was handled. */
export function unreachable(value: never): never {
  throw new InvariantError(`unexpected value ${String(value)}`);
}
