// The client's side of a subscription, without a stream: what it was told.
import { onTestFinished } from 'vitest';
import { Subscription } from '../../src/api/subscription.ts';
import { PacelineError } from '../../src/errors.ts';
import {
  type ChatMessage,
  SubscribeRequest,
  SubscribeResponse,
  type SubscribeStartInput,
} from '../../src/gen/proto.ts';
import type { Node } from '../../src/node/node.ts';

export class Subscriber {
  readonly said: SubscribeResponse[] = [];
  readonly errors: PacelineError[] = [];
  hasRoom = true;
  readonly subscription: Subscription;

  constructor(node: Node, start: SubscribeStartInput) {
    this.subscription = new Subscription(node, {
      write: (response) => {
        this.said.push(SubscribeResponse.decode(response));
        return this.hasRoom;
      },
      fail: (error) => {
        if (!(error instanceof PacelineError)) throw error;
        this.errors.push(error);
      },
    });
    onTestFinished(() => this.subscription.close());
    this.subscription.take(SubscribeRequest.encode({ start }));
  }

  give(credits: number): void {
    this.subscription.take(SubscribeRequest.encode({ credits }));
  }

  get messages(): ChatMessage[] {
    return this.said.flatMap(({ messages }) => messages);
  }

  get seqs(): number[] {
    return this.messages.map(({ seq }) => Number(seq));
  }

  get caughtUps(): number {
    return this.said.filter(({ caughtUp }) => caughtUp).length;
  }

  get progress(): number[] {
    return this.said.flatMap(({ progress }) => (progress === null ? [] : [Number(progress.seq)]));
  }
}
