// Is there a process at a peer's address? Asked with a bare TCP connect whenever a lane to it is not
// up, because a connection's end alone says nothing: only a refused or an unanswered connect does.
import net from 'node:net';
import { placeAt } from '../../address.ts';
import type { Clock, Timer } from '../../clock.ts';

/** A kernel or a resolver says that nobody is there. Failures of this machine are not among them. */
const absentCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  // The name of a container goes away with it.
  'ENOTFOUND',
  'EAI_AGAIN',
]);

export interface PeerWatchOptions {
  /** host:port */
  readonly address: string;
  readonly clock: Clock;
  /** A connect not answered for this long is as good as refused. */
  readonly processDownMs: number;
  /** From then on it may still succeed, over a slow network, up to here. */
  readonly connectMs: number;
  /** Once for each probe that finds nobody. */
  readonly onAbsent: () => void;
}

export interface PeerWatch {
  /** Tells later whether a connect succeeded. Asked twice at once, it connects once. */
  probe(answer: (reachable: boolean) => void): void;
  close(): void;
}

export function createPeerWatch(options: PeerWatchOptions): PeerWatch {
  let asking: ((reachable: boolean) => void)[] = [];
  let cancel: (() => void) | null = null;
  const settle = (reachable: boolean) => {
    cancel = null;
    const answers = asking;
    asking = [];
    for (const answer of answers) answer(reachable);
  };
  return {
    probe(answer) {
      asking.push(answer);
      cancel ??= connectOnce(options, settle);
    },
    close() {
      asking = [];
      cancel?.();
      cancel = null;
    },
  };
}

/** Calls `settle` once, unless the returned function is called before. */
function connectOnce(options: PeerWatchOptions, settle: (reachable: boolean) => void): () => void {
  const { clock, processDownMs, connectMs, onAbsent } = options;
  const socket = net.connect(placeAt(options.address));
  let settled = false;
  let absent = false;
  const timers: Timer[] = [];
  const finish = () => {
    settled = true;
    for (const timer of timers) timer.cancel();
    socket.destroy();
  };
  const foundAbsent = () => {
    if (settled || absent) return;
    absent = true;
    onAbsent();
  };
  const end = (reachable: boolean) => {
    if (settled) return;
    finish();
    settle(reachable);
  };
  socket.on('connect', () => end(true));
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== undefined && absentCodes.has(error.code)) foundAbsent();
    end(false);
  });
  // An answer may be waiting behind whatever kept this process busy: take in the sockets first.
  timers.push(clock.after(processDownMs, () => clock.soon(foundAbsent)));
  timers.push(clock.after(connectMs, () => clock.soon(() => end(false))));
  return finish;
}
