// A node says once why it refuses another and what it waits for, and again when that has changed.
import { expect, test } from 'vitest';
import { Notices } from '../../src/node/notices.ts';

function hear() {
  const said: string[] = [];
  const notices = new Notices((event, facts, level) => {
    said.push(`${level} ${event} ${JSON.stringify(facts)}`);
  }, 1000);
  return { said, notices };
}

test('a refusal is said once, with another reason again, and again after the node was let in', () => {
  const { said, notices } = hear();
  for (let i = 0; i < 100; i += 1) {
    notices.refused(2, 'another cluster');
    notices.refused(3, 'another cluster');
  }
  notices.refused(2, 'another directory');
  notices.letIn(2);
  notices.refused(2, 'another directory');
  expect(said).toEqual([
    'warn peer refused {"peer":2,"refusal":"another cluster"}',
    'warn peer refused {"peer":3,"refusal":"another cluster"}',
    'warn peer refused {"peer":2,"refusal":"another directory"}',
    'warn peer refused {"peer":2,"refusal":"another directory"}',
  ]);
});

test('what is waited for is said after 5 s, and whenever it is something else', () => {
  const { said, notices } = hear();
  notices.waits('node 2', 5999);
  expect(said).toEqual([]);
  for (let ms = 6000; ms < 9000; ms += 50) notices.waits('node 2', ms);
  notices.waits('node 3', 9000);
  notices.waits('', 9050);
  expect(said).toEqual(['warn waiting {"for":"node 2"}', 'warn waiting {"for":"node 3"}']);
});
