// Dedupe keys since a checkpoint, by hash, as the records of the page they will be: nothing of them is an
// object, so that the collector has nothing to move, and a checkpoint nothing to encode.
import {
  compareHash,
  type KeyPlace,
  placeAt,
  recordBytes,
  uint32At,
  viewOf,
  writeHash,
  writePlace,
} from './page.ts';

const keysAtFirst = 64;

export class KeyTable {
  private buffer = Buffer.allocUnsafe(keysAtFirst * recordBytes);
  private view = viewOf(this.buffer);
  /** Open addressing by the hash's first bits: the number of a record, from 1; 0 = free. At most half are taken. */
  private slots = new Int32Array(keysAtFirst * 2);
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** One after the other, in the order in which they came. */
  get records(): Buffer {
    return this.buffer.subarray(0, this.count * recordBytes);
  }

  set(identity: Uint8Array, place: KeyPlace): void {
    if (this.count * 2 === this.slots.length) this.grow();
    const at = this.count * recordBytes;
    writeHash(this.view, at, identity);
    const slot = this.slotOf(this.buffer, at);
    const known = this.slots[slot] ?? 0;
    if (known === 0) {
      this.count += 1;
      this.slots[slot] = this.count;
    }
    writePlace(this.buffer, known === 0 ? at : (known - 1) * recordBytes, place);
  }

  /** By the hash that stands at `at`. */
  get(hash: Buffer, at: number): KeyPlace | undefined {
    const known = this.slots[this.slotOf(hash, at)] ?? 0;
    return known === 0 ? undefined : placeAt(this.buffer, (known - 1) * recordBytes);
  }

  /** Where the record of the hash that `bytes` have at `at` is named, or would be. */
  private slotOf(bytes: Buffer, at: number): number {
    const { buffer, slots } = this;
    const mask = slots.length - 1;
    let slot = uint32At(bytes, at) & mask;
    for (let known = slots[slot] ?? 0; known !== 0; known = slots[slot] ?? 0) {
      if (compareHash(buffer, (known - 1) * recordBytes, bytes, at) === 0) return slot;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  private grow(): void {
    const { records } = this;
    this.slots = new Int32Array(this.slots.length * 2);
    this.buffer = Buffer.allocUnsafe((this.slots.length / 2) * recordBytes);
    this.buffer.set(records);
    this.view = viewOf(this.buffer);
    for (let i = 0; i < this.count; i++)
      this.slots[this.slotOf(this.buffer, i * recordBytes)] = i + 1;
  }
}
