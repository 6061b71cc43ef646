// The changes of `propose-conf-change`, one word each: v4 makes a voter of 4, l4 a learner, r4 removes it.

import {
  isVoter,
  type MemberChange,
  type Membership,
  type MembershipChange,
} from '../../../src/raft/membership.ts';
import type { Arguments } from './arguments.ts';
import { Refusal } from './environment.ts';

/** No words at all: the joint membership is to be left. */
export function membershipChangeOf(
  args: Arguments,
  input: string,
  current: Membership,
): MembershipChange {
  const words = input.split(/\s+/).filter((word) => word !== '');
  const changes = words.map((word) => memberChangeOf(args, word, current));
  const transition = args.text('transition') ?? 'auto';
  if (transition !== 'auto' && transition !== 'implicit' && transition !== 'explicit') {
    throw args.error(`unknown: transition=${transition}`);
  }
  if (args.flag('v1') && (changes.length !== 1 || transition !== 'auto')) {
    throw args.error('v1=true goes with one change and no transition');
  }
  return words.length === 0 ? { type: 'leave-joint' } : { type: 'change', changes, transition };
}

function memberChangeOf(args: Arguments, word: string, current: Membership): MemberChange {
  const id = args.number(word.slice(1));
  switch (word[0]) {
    case 'v':
      return { type: current.learners.includes(id) ? 'promote' : 'add-voter', id };
    case 'l':
      return { type: isVoter(current, id) ? 'demote' : 'add-learner', id };
    case 'r':
      return { type: 'remove', id };
    case 'u':
      throw new Refusal('not supported: a change that updates a node');
    default:
      throw args.error(`no change: ${word}`);
  }
}
