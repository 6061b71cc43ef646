// Waits for a condition with a deadline, in place of sleeping.

const pollMs = 10;

/** Resolves with the first value that is not false; rejects with `what` after the deadline. */
export async function until<Value>(
  what: string,
  deadlineMs: number,
  ask: () => Value | false | Promise<Value | false>,
): Promise<Value> {
  const value = await within(deadlineMs, ask);
  if (value === false) throw new Error(`not within ${deadlineMs} ms: ${what}`);
  return value;
}

/** The same, but false after the deadline. */
export async function within<Value>(
  deadlineMs: number,
  ask: () => Value | false | Promise<Value | false>,
): Promise<Value | false> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const value = await ask();
    if (value !== false || performance.now() >= endMs) return value;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
