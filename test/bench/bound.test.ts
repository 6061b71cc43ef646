// The bare bound reads Paceline's own frames.
import { expect, test } from 'vitest';
import { packFrames, readFrame, unpackFrames } from '../../scripts/bench/bound/frames.ts';
import { encodeAppend } from '../../src/client/append.ts';
import { encodeFrame } from '../../src/client/frames.ts';

const command = (conversation: string) => {
  return encodeAppend({ conversation, sender: 'ann', body: 'hello' }, conversation, 'key');
};
const frame = encodeFrame(7, [
  { partition: 0, restart: [], commands: [command('g:a'), command('g:b')] },
  { partition: 300, restart: ['g:c'], commands: [command('g:c'), command('p:ann~bob')] },
]);

test('the conversations of a frame of the client, over all its groups', () => {
  expect(readFrame(frame)).toEqual({
    number: 7,
    conversations: ['g:a', 'g:b', 'g:c', 'p:ann~bob'],
  });
});

test('an entry gives back the frames it was packed from', () => {
  const other = encodeFrame(8, [{ partition: 1, restart: [], commands: [command('g:d')] }]);
  expect(unpackFrames(packFrames([frame, other, frame]))).toEqual([frame, other, frame]);
});
