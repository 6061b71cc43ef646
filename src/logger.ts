// Logs for operators: JSON lines on standard error. Never a body, a key or a user's id.
import { destination, pino } from 'pino';

export type Log = (event: string, facts: Readonly<Record<string, unknown>>) => void;

export function createLog(node: number, level: string): Log {
  const logger = pino({ level, base: { node } }, destination({ fd: 2, sync: true }));
  return (event, facts) => logger.info(facts, event);
}
