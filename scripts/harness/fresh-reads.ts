// Reads that must not be older than what was acknowledged before they began, counted by what became of
// them.
import type { ClientTransport } from '../../src/client/types.ts';
import { PacelineError } from '../../src/errors.ts';
import type { ReadRequestInput } from '../../src/gen/proto.ts';
import { rpcs } from '../../src/gen/services.ts';
import type { FaultRun } from './fault.ts';

const readDeadlineMs = 10_000;

export class FreshReads {
  fresh = 0;
  older = 0;
  /** The oldest answer that should have been newer: how many messages it lacked. */
  lackedMax = 0;
  /** No answer, by reason. */
  readonly refused: Record<string, number> = {};
  private readonly run: FaultRun;
  private readonly transport: ClientTransport;

  constructor(run: FaultRun, transport: ClientTransport) {
    this.run = run;
    this.transport = transport;
  }

  get figures() {
    const { fresh, older, lackedMax, refused } = this;
    return { fresh, older, lacked_max: lackedMax, refused };
  }

  /** `seq` was acknowledged before this call. Resolves once answered: whether with a page. */
  async read(server: string, request: ReadRequestInput, seq: number): Promise<boolean> {
    const afterSeq = Math.max(0, seq - 100);
    try {
      const asked = { ...request, afterSeq };
      const page = await this.transport.call(server, rpcs.read, asked, readDeadlineMs);
      this.judge(request, seq, Number(page.headSeq), Number(page.messages.at(-1)?.seq ?? 0));
      return true;
    } catch (error) {
      if (!(error instanceof PacelineError)) throw error;
      this.refused[error.reason] = (this.refused[error.reason] ?? 0) + 1;
      return false;
    }
  }

  private judge({ conversation }: ReadRequestInput, seq: number, head: number, last: number): void {
    const has = Math.min(head, last);
    if (has >= seq) {
      this.fresh += 1;
      return;
    }
    this.older += 1;
    this.lackedMax = Math.max(this.lackedMax, seq - has);
    const what = `head ${head}, last ${last}, although ${seq} was acknowledged`;
    if (this.older <= 20) this.run.say(`VIOLATION ${conversation}: ${what}`);
  }
}
