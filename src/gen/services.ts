// The rpcs by their paths, for both ends. Streams of appends pass as bytes: their ends read and write
// them without a copy.
import type { Codec } from './codec.ts';
import {
  AppendRequest,
  AppendResponse,
  BatchGetHeadsRequest,
  BatchGetHeadsResponse,
  GetPartitionMapRequest,
  GetPartitionMapResponse,
  GetStatusRequest,
  GetStatusResponse,
  ReadRequest,
  ReadResponse,
  TransferLeadershipRequest,
  TransferLeadershipResponse,
} from './proto.ts';
import { asBuffer } from './wire.ts';

const log = '/paceline.v1.LogService';
const operator = '/paceline.v1.OperatorService';

export const rpcs = {
  append: { path: `${log}/Append`, request: AppendRequest, response: AppendResponse },
  read: { path: `${log}/Read`, request: ReadRequest, response: ReadResponse },
  batchGetHeads: {
    path: `${log}/BatchGetHeads`,
    request: BatchGetHeadsRequest,
    response: BatchGetHeadsResponse,
  },
  getPartitionMap: {
    path: `${log}/GetPartitionMap`,
    request: GetPartitionMapRequest,
    response: GetPartitionMapResponse,
  },
  getStatus: {
    path: `${operator}/GetStatus`,
    request: GetStatusRequest,
    response: GetStatusResponse,
  },
  transferLeadership: {
    path: `${operator}/TransferLeadership`,
    request: TransferLeadershipRequest,
    response: TransferLeadershipResponse,
  },
} as const;

const asBytes: Codec<Buffer, Buffer> = { encode: (bytes) => bytes, decode: asBuffer };

/** Append as nodes see it, who take out the command as it is: bytes of AppendRequest and AppendResponse. */
export const rawAppend = { path: rpcs.append.path, request: asBytes, response: asBytes } as const;

export const appendSessionPath = `${log}/AppendSession`;
export const subscribePath = `${log}/Subscribe`;
