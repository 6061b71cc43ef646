// Frames out of chunks: whatever the network makes of them, the same frames come out.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameReader } from '../../src/transport/frame-reader.ts';

function framed(bodies: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    bodies.flatMap((body) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(body.length);
      return [length, body];
    }),
  );
}

/** `sizes` of the chunks, again and again. */
function chunks(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const made: Buffer[] = [];
  for (let at = 0, next = 0; at < bytes.length; next += 1) {
    const size = sizes[next % sizes.length] ?? 1;
    made.push(bytes.subarray(at, at + size));
    at += size;
  }
  return made;
}

const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 12 });
const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 });

test('frames come out whole and in order, however they were cut', () => {
  fc.assert(
    fc.property(bodies, sizes, (sent, cuts) => {
      const reader = new FrameReader(40);
      const got: Buffer[] = [];
      for (const chunk of chunks(framed(sent), cuts)) {
        const isFramed = reader.push(chunk, (frame) => got.push(Buffer.from(frame)) > 0);
        expect(isFramed).toBe(true);
      }
      expect(got).toEqual(sent.map((body) => Buffer.from(body)));
    }),
  );
});

test('a frame that came in one piece is a view of it', () => {
  const chunk = framed([Uint8Array.of(1, 2), Uint8Array.of(3)]);
  const got: Buffer[] = [];
  new FrameReader(10).push(chunk, (frame) => got.push(frame) > 0);
  expect(got.map(({ buffer }) => buffer === chunk.buffer)).toEqual([true, true]);
});

test('nothing is given out once no more is wanted', () => {
  const got: Buffer[] = [];
  const chunk = framed([Uint8Array.of(1), Uint8Array.of(2)]);
  expect(new FrameReader(10).push(chunk, (frame) => got.push(frame) > 1)).toBe(true);
  expect(got).toEqual([Buffer.of(1)]);
});

test.each([0, 11, 0xffff_ffff])(
  'a frame of %i bytes, of 1 to 10, is told before it came',
  (size) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(size);
    const reader = new FrameReader(10);
    expect(reader.push(length.subarray(0, 3), () => true)).toBe(true);
    expect(reader.push(length.subarray(3), () => true)).toBe(false);
  },
);

test('the limit may grow once it is known who speaks', () => {
  const reader = new FrameReader(10);
  reader.bytesMax = 20;
  const got: Buffer[] = [];
  expect(reader.push(framed([new Uint8Array(20)]), (frame) => got.push(frame) > 0)).toBe(true);
  expect(got.map(({ length }) => length)).toEqual([20]);
});
