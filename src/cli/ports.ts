// Whether this machine can listen at an address, found out before a process or a server is made for it.
import net from 'node:net';

const problems: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not listen there',
  ENOTFOUND: 'there is no host of that name',
};

/** null: it can. A code such as EADDRINUSE, and the same in words. */
export function listenProblem(
  host: string,
  port: number,
): Promise<{ readonly code: string; readonly text: string } | null> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.on('error', ({ code = '', message }: NodeJS.ErrnoException) => {
      resolve({ code, text: problems[code] ?? message });
    });
    // A peer that tries again just now: `close` would wait for it.
    server.on('connection', (socket) => socket.destroy());
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
}
