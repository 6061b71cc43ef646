// The client as the benchmark sees it: a process of its own.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Place, usualLoad } from '../subjects/subject.ts';
import type { ClosedLoopFigures, ClosedLoopOptions } from './closed-loop.ts';
import type { DeliveryFigures, DeliveryOptions } from './delivery.ts';
import type { Answer, Request } from './protocol.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
/**
 * V8 lets the heap of a process that has rested, as each client does while the others have their turn, grow by
 * little before it collects all of it, twice a second and more: that cost a client as much again as its work.
 */
const nodeFlags = ['--heap-growing-percent=200'];
/** Beyond the time that a request takes by itself: subjects that hang end the run. */
const graceSeconds = 45;

export class ClientProcess {
  private readonly child: ChildProcess;
  private readonly exited: Promise<void>;

  private constructor() {
    this.child = fork(main, { execArgv: ['--import', 'tsx', ...nodeFlags] });
    this.exited = new Promise((resolve) => this.child.on('exit', () => resolve()));
  }

  static async connect(subject: string, place: Place, load = usualLoad): Promise<ClientProcess> {
    const client = new ClientProcess();
    try {
      await client.ask({ kind: 'connect', subject, place, load });
    } catch (error) {
      client.kill();
      throw error;
    }
    return client;
  }

  closedLoop(options: ClosedLoopOptions): Promise<ClosedLoopFigures> {
    return this.ask({ kind: 'closed-loop', options }, options.seconds + options.warmUpSeconds);
  }

  /** null: this subject is not followed. */
  delivery(options: DeliveryOptions): Promise<DeliveryFigures | null> {
    return this.ask({ kind: 'delivery', options }, options.seconds + options.warmUpSeconds);
  }

  async close(): Promise<void> {
    await this.ask({ kind: 'close' });
    this.child.disconnect();
    await this.exited;
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  private ask<Result>(request: Request, seconds = 0): Promise<Result> {
    const limitSeconds = seconds + graceSeconds;
    return new Promise((resolve, reject) => {
      const onExit = () => reject(new Error('the client process has ended'));
      const onLate = () => reject(new Error(`${request.kind}: not done in ${limitSeconds} s`));
      const timer = setTimeout(onLate, limitSeconds * 1000);
      this.child.once('exit', onExit);
      this.child.once('message', (answer: Answer<Result>) => {
        clearTimeout(timer);
        this.child.off('exit', onExit);
        if (answer.ok) resolve(answer.result);
        else reject(new Error(answer.error));
      });
      this.child.send(request);
    });
  }
}
