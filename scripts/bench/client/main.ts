// The client's process: the same for every subject, so that its CPU time can be told from the servers'.
// Does what the benchmark asks for, one thing after the other (protocol.ts).
import { subjectNamed } from '../subjects/all.ts';
import type { Driver } from '../subjects/subject.ts';
import { ClosedLoop } from './closed-loop.ts';
import { measureDelivery } from './delivery.ts';
import { Messages } from './messages.ts';
import type { Answer, Request } from './protocol.ts';

let messages: Messages | null = null;
let driver: Driver | null = null;

process.on('message', (request: Request) => {
  perform(request).then(
    (result) => answer({ ok: true, result }),
    (error: unknown) => answer({ ok: false, error: said(error) }),
  );
});
process.on('uncaughtException', (error) => {
  answer({ ok: false, error: said(error) });
});
process.on('disconnect', () => process.exit(0));

async function perform(request: Request): Promise<unknown> {
  if (request.kind === 'connect') {
    messages = new Messages(request.load);
    driver = await subjectNamed(request.subject).connect(request.place);
    return null;
  }
  if (driver === null || messages === null) throw new Error('not connected');
  switch (request.kind) {
    case 'closed-loop':
      return new ClosedLoop(driver, messages, request.options).run();
    case 'delivery':
      return measureDelivery(driver, messages, request.options);
    case 'close':
      await driver.close();
      return null;
  }
}

function answer(said: Answer<unknown>): void {
  process.send?.(said);
}

function said(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
