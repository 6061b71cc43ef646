// An AppendSession by hand: frames as the test wants them, answers by frame and group.
import { until } from '../../scripts/harness/until.ts';
import type { ClientTransport, Stream } from '../../src/client/types.ts';
import {
  type AppendGroupInput,
  type AppendResult,
  AppendSessionRequest,
  AppendSessionResponse,
} from '../../src/gen/proto.ts';
import { appendSessionPath } from '../../src/gen/services.ts';

const answerDeadlineMs = 15_000;

export class RawSession {
  /** Why the stream ended; '' while it is open. */
  ended = '';
  private readonly stream: Stream;
  private readonly answers = new Map<string, readonly AppendResult[]>();
  private nextFrame = 1;

  constructor(transport: ClientTransport, address: string) {
    this.stream = transport.openStream(address, appendSessionPath, {
      onResponse: (bytes) => {
        for (const { frame, group, results } of AppendSessionResponse.decode(bytes).groups) {
          this.answers.set(`${frame}/${group}`, results);
        }
      },
      onEnd: (error) => {
        this.ended = error.reason;
      },
    });
  }

  /** The results of each group, in the order of the groups. */
  async append(...groups: AppendGroupInput[]): Promise<(readonly AppendResult[])[]> {
    const frame = this.nextFrame++;
    this.stream.send(AppendSessionRequest.encode({ frame, groups }));
    return until(`frame ${frame} is answered`, answerDeadlineMs, () => {
      const found = groups.map((_, group) => this.answers.get(`${frame}/${group}`));
      return found.every((each) => each !== undefined) && found;
    });
  }

  send(bytes: Buffer): void {
    this.stream.send(bytes);
  }

  close(): void {
    this.stream.close();
  }
}

/** What tests look at: the seq, or the reason. */
export function brief(results: readonly AppendResult[] | undefined): (number | string)[] {
  return (results ?? []).map(({ seq, error }) => (error === null ? Number(seq) : error.reason));
}
