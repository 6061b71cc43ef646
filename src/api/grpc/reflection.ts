// gRPC reflection (v1 and v1alpha), so that tools such as grpcurl know the services without the .proto
// files. Peers' own protocol is not shown: nobody else may speak it.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Server } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { protoPath as healthProto } from 'grpc-health-check';

const files = ['paceline/v1/log.proto', 'paceline/v1/operator.proto', healthProto];

export function serveReflection(server: Server): void {
  const protos = fileURLToPath(new URL('../../../proto', import.meta.url));
  // Files are named as others import them: "paceline/v1/log.proto".
  const includeDirs = [protos, path.resolve(healthProto, '../../..')];
  new ReflectionService(loadSync(files, { includeDirs })).addToServer(server);
}
