// grpc.health.v1 for load balancers and probes: SERVING while this node serves, NOT_SERVING while it
// waits or stops; the same for the whole node ("") and for the log's service.
import type { Server } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { Node } from '../../node/node.ts';

const services = ['', 'paceline.v1.LogService'] as const;

export function serveHealth(server: Server, node: Node): void {
  const health = new HealthImplementation();
  node.watchServing((isServing) => {
    for (const service of services) {
      health.setStatus(service, isServing ? 'SERVING' : 'NOT_SERVING');
    }
  });
  health.addToServer(server);
}
