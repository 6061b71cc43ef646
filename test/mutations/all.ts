// All bugs that the gate puts back.
import type { HiddenMutation, Mutation } from './mutation.ts';
import { hiddenOfAnswers, ofAnswers } from './of-answers.ts';
import { hiddenOfClient, ofClient } from './of-client.ts';
import { ofOrder } from './of-order.ts';
import { ofRaft } from './of-raft.ts';
import { hiddenOfStorage, ofStorage } from './of-storage.ts';

const all: readonly Mutation[] = [...ofRaft, ...ofAnswers, ...ofStorage, ...ofOrder, ...ofClient];

/** Put back, and not caught by the lab, or too seldom to rely on: what it still has to learn. */
const open: ReadonlySet<string> = new Set([]);

/** Caught by the lab, each. */
export const mutations = all.filter(({ name }) => !open.has(name));
export const openMutations = all.filter(({ name }) => open.has(name));
/** Nobody can see them alone: each is caught with its guard gone too. */
export const hiddenMutations: readonly HiddenMutation[] = [
  ...hiddenOfAnswers,
  ...hiddenOfStorage,
  ...hiddenOfClient,
];
