// Bugs of the client: src/client.
import type { HiddenMutation, Mutation, Patch } from './mutation.ts';

const oneBack: Patch = {
  file: 'src/client/subscription.ts',
  from: 'const place = this.rev > 0 ? { afterRev: this.rev } : { afterSeq };',
  to: 'const place = this.rev > 0 ? { afterRev: this.rev - 1 } : { afterSeq };',
};

export const ofClient: readonly Mutation[] = [
  {
    name: 'subscription-repeats',
    class: 'I3',
    says: 'A subscription that is opened again begins where it was last told of progress.',
    file: 'src/client/subscription.ts',
    from: '    this.rev = rev;\n    this.index = index;',
    to: '    this.index = index;',
  },
  {
    name: 'subscription-one-back',
    class: 'I3',
    says: 'A subscription that is opened again begins with what was received last, and tells of it again.',
    ...oneBack,
    also: [
      {
        file: 'src/client/subscription.ts',
        from: 'if (isKnown) {',
        to: 'if (isKnown && rev < 0) {',
      },
    ],
  },
  {
    name: 'subscription-skips',
    class: 'I3',
    says: 'A subscription that is opened again begins one too far.',
    file: 'src/client/subscription.ts',
    from: 'const place = this.rev > 0 ? { afterRev: this.rev } : { afterSeq };',
    to: 'const place = this.rev > 0 ? { afterRev: this.rev + 1 } : { afterSeq };',
  },
  {
    name: 'retry-with-new-key',
    class: 'I5',
    says: 'After a lost stream an append is sent again with another key.',
    file: 'src/client/appends.ts',
    from: '      for (const append of appends) {\n        append.isUnknown = true;',
    to: `      for (const append of appends) {
        const { conversation } = append;
        const key = \`\${this.options.clientId}-again-\${append.number}\`;
        append.place({ conversation, partition, command: encodeAppend(append.append, conversation, key) });
        append.isUnknown = true;`,
  },
  {
    name: 'retry-out-of-order',
    class: 'I4',
    says: 'What comes back is sent again behind what came after it.',
    file: 'src/client/lane.ts',
    from: 'this.waiting.sort((a, b) => a.number - b.number);',
    to: '',
  },
  {
    name: 'overtaken-elsewhere',
    class: 'I4',
    says: 'Appends go to a new leader while earlier ones are still out at the old one.',
    file: 'src/client/lane.ts',
    from: 'return this.groupsOut === 0 || this.sentTo === address;',
    to: 'return this.groupsOut >= 0 || this.sentTo === address;',
  },
  {
    name: 'unknown-is-failed',
    class: '50',
    says: 'A refusal after a lost answer is taken to mean that nothing was stored.',
    file: 'src/client/appends.ts',
    from: 'if (!isUnknown) return true;',
    to: 'if (!isUnknown || retryable.size > 0) return true;',
  },
  {
    name: 'deadline-says-not-stored',
    class: 'I1',
    says: 'An append that got no answer in time is said not to be stored.',
    file: 'src/client/pending-append.ts',
    from: 'this.fail(this.isUnknown || this.isOut ? unknownAtDeadline : notStoredAtDeadline);',
    to: 'this.fail(notStoredAtDeadline);',
  },
];

export const hiddenOfClient: readonly HiddenMutation[] = [
  {
    name: 'subscription-asks-one-back',
    class: 'I3',
    says: 'A subscription that is opened again asks for what was received last once more.',
    guard: 'what is known is passed over',
    pair: 'subscription-one-back',
    ...oneBack,
  },
];
