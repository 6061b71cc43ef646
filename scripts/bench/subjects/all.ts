// Every subject, by the name it has on the command line and in tables.
import { UsageError } from '../../flags.ts';
import { bound } from './bound.ts';
import { etcd } from './etcd.ts';
import { nats } from './nats.ts';
import { paceline } from './paceline.ts';
import { pacelineUnary } from './paceline-unary.ts';
import { postgresql } from './postgresql.ts';
import { rabbitmq } from './rabbitmq.ts';
import { redis } from './redis.ts';
import type { Subject } from './subject.ts';

export const peers: readonly Subject[] = [etcd, nats, rabbitmq, redis, postgresql];

const all: readonly Subject[] = [paceline, pacelineUnary, bound, ...peers];

/** Throws for a name that there is not. */
export function subjectNamed(name: string): Subject {
  const found = all.find((subject) => subject.name === name);
  if (found === undefined) {
    throw new UsageError(`no subject "${name}": ${all.map((subject) => subject.name).join(', ')}`);
  }
  return found;
}
