// Logs for operators: JSON lines on standard error. Never a body, a key or a user's id.
import { destination, pino } from 'pino';

/** What needs somebody to look is a warning; `fatal` ends the process. */
export type LogLevel = 'info' | 'warn' | 'fatal';

export type Log = (
  event: string,
  facts: Readonly<Record<string, unknown>>,
  level?: LogLevel,
) => void;

export function createLog(node: number, level: string): Log {
  const logger = pino({ level, base: { node } }, destination({ fd: 2, sync: true }));
  return (event, facts, eventLevel = 'info') => logger[eventLevel](facts, event);
}
