// How the process ends after an error: 1 refused, 2 usage, 3 unreachable or outcome unknown.
import { CommanderError } from 'commander';
import { PacelineError } from '../errors.ts';
import { note } from './output.ts';

const unreachable: ReadonlySet<string> = new Set([
  'UNREACHABLE',
  'NO_LEADER',
  'STOPPING',
  'OUTCOME_UNKNOWN',
]);

/** Of the command line itself, also where only the cluster can tell. */
const misused: ReadonlySet<string> = new Set(['BAD_REQUEST', 'NO_SUCH_PARTITION']);

/** How grpc-js says it, with what it had got done by then. */
const deadline = /Deadline exceeded after ([\d.]+)s(?:,.*)?/;

/** Says why on standard error. What is no expected failure is thrown again. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (!(error instanceof PacelineError)) throw error;
  note(`${error.reason}: ${error.message.replace(deadline, 'no answer within $1 s')}`);
  if (misused.has(error.reason)) return 2;
  return unreachable.has(error.reason) ? 3 : 1;
}
