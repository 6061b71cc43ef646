// Values of flags, checked: a problem is BAD_REQUEST and names the flag.
import { PacelineError } from '../errors.ts';

export function whole(field: string, text: string, min: number): number {
  const value = text === '' ? Number.NaN : Number(text);
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw usage(field, `"${text}" is not a whole number of ${min} or more`);
}

const timeoutSecondsMax = 1_000_000;

/** --timeout in seconds, as milliseconds. */
export function timeoutMsOf({ timeout }: { readonly timeout: string }): number {
  const seconds = Number(timeout);
  if (seconds > 0 && seconds <= timeoutSecondsMax) return seconds * 1000;
  const range = `above 0 and up to ${timeoutSecondsMax}`;
  throw usage('timeout', `"${timeout}" is not a number of seconds ${range}`);
}

export function levelOf(text: string): 'linearizable' | 'eventual' {
  if (text === 'linearizable' || text === 'eventual') return text;
  throw usage('level', `"${text}" is not linearizable or eventual`);
}

/** --viewer, as reads and subscriptions take it. */
export function viewerOf({ viewer }: { readonly viewer?: string }): { viewer?: string } {
  return viewer === undefined ? {} : { viewer };
}

/** --time is for people: --json has it in any case. */
export function checkTime({
  time,
  json,
}: {
  readonly time?: boolean;
  readonly json?: boolean;
}): void {
  if (time && json) throw usage('time', 'goes without --json, where each message has its timeMs');
}

/** For a flag that would be ignored: `flag` was given, and nothing else may be. */
export function refuseBeside(flag: string, given: readonly string[]): void {
  const others = given.filter((each) => each !== flag).map((each) => `--${each}`);
  if (others.length > 0)
    throw usage(flag, `goes without other flags, and there is ${others.join(', ')}`);
}

export function usage(field: string, problem: string): PacelineError {
  return new PacelineError({ reason: 'BAD_REQUEST', field, message: `${field} ${problem}` });
}
