// What an append or a read hands out so that a later read is not older: opaque to clients.
//   version (1) | partition (2) | index (6) | first bytes of the cluster id (4)
import { PacelineError } from '../errors.ts';
import type { Node } from '../node/node.ts';

const tokenVersion = 1;
const tokenBytes = 13;
const clusterAt = 9;

export function encodeToken(node: Node, partition: number, index: number): Buffer {
  const token = Buffer.alloc(tokenBytes);
  token[0] = tokenVersion;
  token.writeUInt16BE(partition, 1);
  token.writeUIntBE(index, 3, 6);
  const cluster = node.founding.record?.clusterId;
  if (cluster !== undefined) token.set(cluster.subarray(0, tokenBytes - clusterAt), clusterAt);
  return token;
}

/** The index to wait for. Errors: BAD_REQUEST. */
export function decodeToken(node: Node, partition: number, token: Uint8Array): number {
  const bytes = Buffer.from(token.buffer, token.byteOffset, token.length);
  if (bytes.length !== tokenBytes || bytes[0] !== tokenVersion) {
    throw bad('is not one that Paceline handed out');
  }
  const own = encodeToken(node, partition, bytes.readUIntBE(3, 6));
  if (own.compare(bytes, clusterAt, tokenBytes, clusterAt, tokenBytes) !== 0) {
    throw bad('is of another cluster');
  }
  if (bytes.readUInt16BE(1) !== partition) throw bad('is of another partition');
  return bytes.readUIntBE(3, 6);
}

function bad(problem: string): PacelineError {
  const message = `read_token ${problem}`;
  return new PacelineError({ reason: 'BAD_REQUEST', field: 'read_token', message });
}
