import { expect, it } from 'vitest';
import { markedBody, markOf } from '../../scripts/harness/fuzz-input.ts';

it('a marked body whose bytes were changed reads as no command’s mark', () => {
  const body = markedBody('s2-55647');
  expect(markOf(body.toString())).toBe('s2-55647');
  for (const [i, byte] of body.entries()) {
    const changed = Buffer.from(body);
    changed[i] = byte ^ 1;
    const mark = markOf(changed.toString());
    expect(mark === undefined || mark === 's2-55647').toBe(true);
  }
});
