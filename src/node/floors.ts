// The oldest readable seq of conversations lately read, so that a read asks the store for it once.

const floorsMax = 4096;

export class Floors {
  private readonly known = new Map<string, number>();

  get(conversation: string): number | undefined {
    return this.known.get(conversation);
  }

  set(conversation: string, minSeq: number): void {
    if (this.known.size >= floorsMax) this.known.clear();
    this.known.set(conversation, minSeq);
  }
}
