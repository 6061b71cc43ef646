// Who wants to know that a conversation, or anything of a partition, was folded. A watcher is only told
// that there is something: it reads for itself, at its own pace, so a slow one costs nothing.

type Call = () => void;

export class Watchers {
  private readonly conversations = new Map<string, Set<Call>>();
  private readonly partition = new Set<Call>();
  /** Called once at the end of a fold, however many messages it had. */
  private readonly due = new Set<Call>();

  get isEmpty(): boolean {
    return this.conversations.size === 0 && this.partition.size === 0;
  }

  /** '' = the partition. Returns how to stop. */
  add(conversation: string, call: Call): () => void {
    if (conversation === '') {
      this.partition.add(call);
      return () => this.partition.delete(call);
    }
    const calls = this.conversations.get(conversation) ?? new Set();
    this.conversations.set(conversation, calls.add(call));
    return () => {
      calls.delete(call);
      const current = this.conversations.get(conversation);
      if (calls.size === 0 && current === calls) this.conversations.delete(conversation);
    };
  }

  touched(conversation: string): void {
    const calls = this.conversations.get(conversation);
    if (calls !== undefined) for (const call of calls) this.due.add(call);
  }

  /** After entries were folded and applied. */
  tell(): void {
    for (const call of this.partition) this.due.add(call);
    for (const call of this.due) call();
    this.due.clear();
  }
}
