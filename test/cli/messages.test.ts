// How commands show messages that are not normal, and events: to people in one line, as JSON in full.
import { describe, expect, it } from 'vitest';
import {
  eventJson,
  eventLine,
  isHidden,
  messageJson,
  messageLine,
  shownBody,
} from '../../src/cli/messages.ts';
import type { Message } from '../../src/client/message.ts';
import type { ConversationEvent } from '../../src/client/subscription-events.ts';

const place = { conversation: 'g:a', rev: 9, timeMs: 1, index: 4, slot: 2, sender: 'ann' };

function message(more: Partial<Message> = {}): Message {
  const chain = { device: '', epoch: 0, clientSeq: 0, prevClientSeq: null, clientTimeMs: 0 };
  const content = { key: 'k', body: Buffer.from('hello'), contentType: '', headers: [] };
  return {
    ...{ ...place, seq: 7, id: 1n, state: 'normal', late: false, lateFor: 0 },
    ...{ ...chain, ...content, ...more },
  };
}

const stub = { key: '', body: Buffer.alloc(0) };

describe('a message', () => {
  it.each<[line: string, message: Partial<Message>]>([
    ['     7  ann: hello', {}],
    ['     7  ann: hello (late)', { late: true }],
    ['     7  ann: (pending)', { state: 'pending', ...stub }],
    ['     7  ann: (rejected) (late)', { state: 'rejected', ...stub, late: true }],
    ['     7  ann: hello (pending)', { state: 'pending' }],
    ['     7  ann: ', { body: Buffer.alloc(0) }],
    ['     7  ann: a\\x0ab (rejected)', { state: 'rejected', body: Buffer.from('a\nb') }],
  ])('"%s" is one line', (line, more) => {
    expect(messageLine(message(more))).toBe(line);
  });

  it('and an event have their log time in UTC where it is asked for', () => {
    const timeMs = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
    expect(messageLine(message({ timeMs }), true)).toBe(
      '     7  2026-01-02T03:04:05.006Z  ann: hello',
    );
    const rejected = { ...place, timeMs, kind: 'rejected', seq: 7 } as const;
    expect(eventLine(rejected, true)).toBe('     -  2026-01-02T03:04:05.006Z  7 rejected by ann');
  });

  it('that is not shown is exported as what it is, one that is as its bytes', () => {
    const hidden = message({ state: 'pending', ...stub });
    expect([isHidden(hidden), Buffer.from(shownBody(hidden)).toString()]).toEqual([
      true,
      '(pending)',
    ]);
    for (const each of [message(), message({ state: 'rejected' }), message({ ...stub })]) {
      expect([isHidden(each), shownBody(each)]).toEqual([false, each.body]);
    }
  });

  it('as JSON has its state and its link where they are not the plain ones', () => {
    expect(messageJson(message())).toEqual({
      ...{ seq: 7, rev: 9, id: 1n, timeMs: 1, sender: 'ann', key: 'k', body: 'hello' },
    });
    const link = { device: 'phone', epoch: 2, clientSeq: 5, prevClientSeq: 0, clientTimeMs: 8 };
    const late = { ...link, late: true, lateFor: 3 } as const;
    expect(messageJson(message(late))).toMatchObject(late);
    const hidden = messageJson(message({ state: 'pending', ...stub }));
    expect(hidden).toEqual({ seq: 7, rev: 9, id: 1n, timeMs: 1, sender: 'ann', state: 'pending' });
  });
});

describe('an event', () => {
  const policy = { order: 'server', gapAction: 'skip', pendingEnd: 'reject' } as const;
  const waits = { gapWaitMs: 5 };
  const gap = { ...place, kind: 'gap', epoch: 1, after: 3, before: 9 } as const;
  const released = { ...place, kind: 'released', seq: 7, sender: 'mod' } as const;
  it.each<[line: string, event: ConversationEvent]>([
    ['gap: messages of ann are missing, after 3 and before 9', { ...gap, device: '' }],
    ['gap: messages of ann, a\\x1b are missing, after 3 and before 9', { ...gap, device: 'a\x1b' }],
    ['7 released by mod: ann: hello', { ...released, message: message() }],
    ['7 released by mod', { ...released, message: null }],
    ['7 rejected by ann', { ...place, kind: 'rejected', seq: 7 }],
    [
      'policy by ann: order server, gaps skip after 5 ms, pending reject',
      { ...place, kind: 'policy', policy: { ...policy, ...waits } },
    ],
    ['device phone of ann: epoch 12', { ...place, kind: 'device', device: 'phone', epoch: 12 }],
    ['an event of a kind that this version does not know', { ...place, kind: 'unknown' }],
  ])('"%s" is one line, without a seq', (line, event) => {
    expect(eventLine(event)).toBe(`     -  ${line}`);
  });

  it('as JSON is its kind and what it says, a release with its message', () => {
    const at = { rev: 9, timeMs: 1 };
    expect(eventJson({ ...gap, device: 'phone' })).toEqual({
      ...{ event: 'gap', ...at, sender: 'ann', device: 'phone', epoch: 1, after: 3, before: 9 },
    });
    expect(eventJson({ ...released, message: message() })).toEqual({
      ...{ event: 'released', ...at, sender: 'mod', seq: 7, message: messageJson(message()) },
    });
    expect(eventJson({ ...released, message: null })).toMatchObject({ message: null });
  });
});
