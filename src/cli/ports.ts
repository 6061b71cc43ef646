// Whether this machine can listen at an address, found out before a process is made for it, and why it cannot.
import net from 'node:net';

const problems: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not listen there',
  ENOTFOUND: 'there is no host of that name',
};

/** Why nothing can listen there. */
export function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  return problems[code] ?? error.message;
}

/** null: it can. A code such as EADDRINUSE, and the same in words. */
export function listenProblem(
  host: string,
  port: number,
): Promise<{ readonly code: string; readonly text: string } | null> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.on('error', (error: NodeJS.ErrnoException) => {
      resolve({ code: error.code ?? '', text: inWords(error) });
    });
    // A peer that tries again just now: `close` would wait for it.
    server.on('connection', (socket) => socket.destroy());
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
}
