// The names under which `deliver-msgs type=` knows messages: those of the core, and those of etcd's raft.

import type { Message } from '../replica.ts';

const coreNames: Readonly<Record<Message['type'], string>> = {
  PreVote: 'MsgPreVote',
  PreVoteReply: 'MsgPreVoteResp',
  Vote: 'MsgVote',
  VoteReply: 'MsgVoteResp',
  Append: 'MsgApp',
  Commit: 'MsgApp',
  AppendOk: 'MsgAppResp',
  AppendReject: 'MsgAppResp',
  InstallSnapshot: 'MsgSnap',
  Heartbeat: 'MsgHeartbeat',
  HeartbeatOk: 'MsgHeartbeatResp',
  TimeoutNow: 'MsgTimeoutNow',
  Quiesce: 'Quiesce',
  QuiesceOk: 'QuiesceOk',
  ReadIndex: 'MsgReadIndex',
  ReadIndexReply: 'MsgReadIndexResp',
};

/** null where no message of the core has that name. */
export function messagesNamed(name: string): ((message: Message) => boolean) | null {
  const types = Object.entries(coreNames).filter((names) => names.includes(name));
  if (types.length === 0) return null;
  return ({ type }) => types.some(([core]) => core === type);
}
