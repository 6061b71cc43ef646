// What an error shows where it is logged: what it says, and nothing that it does not.
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { PacelineError } from '../src/errors.ts';

test('an error that is printed names its details, and no others', () => {
  const error = new PacelineError({ reason: 'TOO_LARGE', message: 'too large', limit: 5 });
  const text = inspect(error);
  expect(text).toContain("reason: 'TOO_LARGE'");
  expect(text).toContain('limit: 5');
  expect(text).not.toContain('undefined');
  expect(error.actual).toBeUndefined();
});
