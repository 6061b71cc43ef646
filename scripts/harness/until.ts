// Waits for a condition with a deadline, in place of sleeping.

const pollMs = 10;

/** Resolves with the first value that is not false; rejects with `what` after the deadline. */
export async function until<Value>(
  what: string,
  deadlineMs: number,
  ask: () => Value | false | Promise<Value | false>,
): Promise<Value> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const value = await ask();
    if (value !== false) return value;
    if (performance.now() >= endMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** True once the condition holds, false after the deadline. */
export async function within(
  deadlineMs: number,
  ask: () => boolean | Promise<boolean>,
): Promise<boolean> {
  try {
    return await until('', deadlineMs, ask);
  } catch (error) {
    if (await ask()) return true;
    if (error instanceof Error && error.message.startsWith('not within')) return false;
    throw error;
  }
}
