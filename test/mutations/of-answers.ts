// Bugs of consensus with answers that come late: of an earlier term, round or campaign, or to what was taken
// back since.
import type { HiddenMutation, Mutation, Patch } from './mutation.ts';

/** The core drops what is of an earlier term, but for what it answers. */
function staleTaken(type: string, role: string, take: string): Patch {
  const passed = `  if (message.type === '${type}' && core.state.role === '${role}') {
    ${take}(core, core.state, message);
    return;
  }
`;
  const from = '  const { self: from, term } = core;\n  const to = message.from;\n';
  return { file: 'src/raft/raft.ts', from, to: `${passed}${from}` };
}

const anyCampaign: Patch = {
  file: 'src/raft/election.ts',
  from: `export function onVoteReply<P>(core: Core<P>, state: CandidateState, message: VoteReply): void {
  if (message.campaign !== state.campaign) return;`,
  to: 'export function onVoteReply<P>(core: Core<P>, state: CandidateState, message: VoteReply): void {',
};

const ownVoteByAnyWrite: Patch = {
  file: 'src/raft/election.ts',
  from: 'if (core.outputs.persistedSeq < state.selfVoteSeq) return;',
  to: '',
};

const stillAwaited: Patch = {
  file: 'src/raft/progress.ts',
  from: 'if (this.probing) this.#awaiting = false;',
  to: '',
};

export const ofAnswers: readonly Mutation[] = [
  {
    name: 'stale-ack-counts',
    class: '19',
    says: 'A leader counts an acknowledgement of an earlier term in which it led.',
    ...staleTaken('AppendOk', 'leader', 'stepLeader'),
  },
  {
    name: 'stale-reject-rewinds',
    class: '19',
    says: 'A late or doubled refusal leads back to what is acknowledged, and to probing.',
    file: 'src/raft/progress.ts',
    from: 'if (isStale) return;',
    to: '',
  },
  {
    name: 'stale-reject-lowers-match',
    class: '19',
    says: 'A late or doubled refusal takes back what is acknowledged.',
    file: 'src/raft/progress.ts',
    from: 'if (isStale) return;',
    to: 'if (isStale) this.#match = Math.min(this.#match, agreement);',
  },
  {
    name: 'reject-of-the-past',
    class: '19',
    says: 'A leader goes back for a refusal of an earlier term in which it led.',
    ...staleTaken('AppendReject', 'leader', 'stepLeader'),
  },
  {
    name: 'round-of-the-past',
    class: '29',
    says: 'An answer to a heartbeat of the past counts for the newest read round.',
    file: 'src/raft/read-index.ts',
    from: 'follower.round = message.round;',
    to: 'follower.round = leader.reads.round;',
  },
  {
    name: 'late-write-vouches',
    class: '11',
    says: 'A late write of entries that were truncated vouches for those that took their place.',
    file: 'src/raft/write-marks.ts',
    from: 'while ((this.#marks.at(-1)?.firstIndex ?? 0) >= index) this.#marks.pop();',
    to: '',
  },
  {
    name: 'durable-not-lowered',
    class: '11',
    says: 'What takes the place of truncated entries is taken for as durable as they were.',
    file: 'src/raft/write-marks.ts',
    from: 'this.#durable = Math.min(this.#durable, this.#last);',
    to: '',
  },
  {
    name: 'pre-vote-skipped',
    class: '25',
    says: 'A replica enters a term and campaigns without asking first.',
    file: 'src/raft/election.ts',
    from: 'if (!core.config.preVote) {',
    to: 'if (core.config.preVote) {',
  },
  {
    name: 'pre-vote-always-granted',
    class: '25',
    says: 'Leave to campaign is given although a leader is heard.',
    file: 'src/raft/election.ts',
    from: '    message.term > core.term &&\n    !hearsLeader(core) &&',
    to: '    message.term > core.term &&',
  },
  {
    name: 'pre-vote-of-the-past',
    class: '27',
    says: 'Leave given to an earlier campaign counts in a later one.',
    file: 'src/raft/election.ts',
    from: `): void {
  if (message.campaign !== state.campaign) return;
  tally(state, message.from, message.granted);
  settlePreVote(core, state);`,
    to: `): void {
  tally(state, message.from, message.granted);
  settlePreVote(core, state);`,
  },
  {
    name: 'vote-of-the-past',
    class: '27',
    says: 'A vote of an earlier term, for an earlier campaign, counts in a later one.',
    ...anyCampaign,
    also: [staleTaken('VoteReply', 'candidate', 'stepCandidate')],
  },
  {
    name: 'own-vote-at-once',
    class: '6',
    says: 'The own vote counts before it is on the disk.',
    file: 'src/raft/election.ts',
    from: "sendWhenDurable(core, { type: 'Vote', from, to, term, ...asked });\n  }\n",
    to: `sendWhenDurable(core, { type: 'Vote', from, to, term, ...asked });
  }
  state.granted.add(from);
  settleVote(core, state);
`,
  },
  {
    name: 'own-vote-by-any-write',
    class: '24',
    says: 'Votes are asked for at once, and any write counts as that of the own vote.',
    ...ownVoteByAnyWrite,
    also: [
      {
        file: 'src/raft/election.ts',
        from: "sendWhenDurable(core, { type: 'Vote', from",
        to: "send(core, { type: 'Vote', from",
      },
    ],
  },
  {
    name: 'loss-not-looked-for',
    class: '47',
    says: 'What was sent and lost is not asked about.',
    file: 'src/raft/progress.ts',
    from: 'if (this.probing || this.#match < lastIndex) this.#checkDue = true;',
    to: '',
  },
];

export const hiddenOfAnswers: readonly HiddenMutation[] = [
  {
    name: 'vote-of-another-campaign',
    class: '27',
    says: 'A vote for an earlier campaign counts in a later one.',
    // Each campaign enters a term of its own, and a request leaves only once that term is on the disk: so
    // a vote for another campaign of the candidate is of another term.
    guard: 'answers of an earlier term are dropped',
    pair: 'vote-of-the-past',
    ...anyCampaign,
  },
  {
    name: 'own-vote-by-earlier-write',
    class: '24',
    says: 'Any write that completes counts as that of the own vote.',
    // Nobody else can have answered by then, and a majority of one has no write in flight as it campaigns.
    guard: 'requests leave only with the write of the own vote',
    pair: 'own-vote-by-any-write',
    ...ownVoteByAnyWrite,
  },
  {
    name: 'probe-awaited-for-ever',
    class: '47',
    says: 'A follower whose probe was lost is awaited for ever.',
    // An empty append is sent all the same, and its answer ends the waiting as that of the probe would.
    guard: 'the empty append that finds out about losses',
    pair: 'probe-not-freed',
    ...stillAwaited,
  },
];
