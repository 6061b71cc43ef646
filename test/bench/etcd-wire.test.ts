// As much of etcd's API as the benchmark reads, against bytes put together by hand.
import { expect, test } from 'vitest';
import {
  putRequest,
  readCount,
  readStatus,
  readValues,
} from '../../scripts/bench/subjects/etcd-wire.ts';

test('a put carries key and value', () => {
  expect([...putRequest('k', Buffer.from('vv'))]).toEqual([10, 1, 107, 18, 2, 118, 118]);
});

test('a count follows a header and other fields', () => {
  expect(readCount(Buffer.from([10, 2, 8, 1, 24, 1, 32, 172, 2]))).toBe(300);
});

test('a watch brings the values of its events', () => {
  const kv = [10, 1, 107, 42, 2, 118, 118];
  const event = [18, kv.length, ...kv];
  const events = [90, event.length, ...event, 90, event.length, ...event];
  const values = readValues(Buffer.from([10, 0, 32, 1, ...events]));
  expect(values.map((value) => Buffer.from(value).toString())).toEqual(['vv', 'vv']);
});

test('a member leads where the leader it names is itself', () => {
  const status = (leader: number) =>
    readStatus(Buffer.from([10, 4, 8, 1, 16, 5, 18, 1, 51, 24, 9, 32, leader]));
  expect([status(5), status(6)]).toEqual([
    { version: '3', isLeader: true },
    { version: '3', isLeader: false },
  ]);
});
