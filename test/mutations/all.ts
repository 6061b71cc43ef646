// All bugs that the gate puts back.
import type { Mutation } from './mutation.ts';
import { ofClient } from './of-client.ts';
import { ofOrder } from './of-order.ts';
import { ofRaft } from './of-raft.ts';
import { ofStorage } from './of-storage.ts';

export const mutations: readonly Mutation[] = [...ofRaft, ...ofStorage, ...ofOrder, ...ofClient];
