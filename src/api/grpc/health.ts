// grpc.health.v1 for load balancers and probes: SERVING while this node serves, NOT_SERVING while it
// waits or stops; the same for the whole node ("") and for the log's service.
import type { Server } from '@grpc/grpc-js';
import { HealthImplementation, type ServingStatus } from 'grpc-health-check';
import type { Timer } from '../../clock.ts';
import type { Node } from '../../node/node.ts';

const services = ['', 'paceline.v1.LogService'] as const;
/** An answer is this old at most, by what it says. */
const lookMs = { waiting: 100, serving: 500 };

/** Stop: NOT_SERVING, and watchers are told. */
export function serveHealth(server: Server, node: Node): { stop(): void } {
  const health = new HealthImplementation();
  let timer: Timer | null = null;
  let told: ServingStatus = 'UNKNOWN';
  const tell = (status: ServingStatus) => {
    if (status === told) return;
    told = status;
    for (const service of services) health.setStatus(service, status);
  };
  const look = () => {
    const { isServing } = node;
    tell(isServing ? 'SERVING' : 'NOT_SERVING');
    timer = node.clock.after(isServing ? lookMs.serving : lookMs.waiting, look);
  };
  look();
  health.addToServer(server);
  return {
    stop() {
      timer?.cancel();
      tell('NOT_SERVING');
    },
  };
}
