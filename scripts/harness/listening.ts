import type { Server } from 'node:net';

/** On loopback; port 0 = any. The port bound. */
export function listenOn(server: Server, port = 0, host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.removeListener('error', reject);
      const at = server.address();
      if (at === null || typeof at === 'string') throw new Error('a server without a port');
      resolve(at.port);
    });
  });
}
