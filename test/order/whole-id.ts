// The 64-bit id as one number, as docs/api.md has it, beside the halves that the code makes.
import { idEpochMs } from '../../src/order/ids.ts';

/** The id as one unsigned 64-bit number. */
export function composeId(ms: number, shard: number, counter: number): bigint {
  return (BigInt(ms - idEpochMs) << 23n) | BigInt((shard << 10) | counter);
}

export function decomposeId(id: bigint): { ms: number; shard: number; counter: number } {
  return {
    ms: Number(id >> 23n) + idEpochMs,
    shard: Number((id >> 10n) & 0x1fffn),
    counter: Number(id & 0x3ffn),
  };
}
