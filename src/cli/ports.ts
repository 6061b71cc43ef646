// Whether this machine's ports can be listened on, found out before a process is started for each.
import net from 'node:net';
import { usage } from './flags.ts';

const host = '127.0.0.1';

/** Throws BAD_REQUEST with the first that cannot. */
export async function checkPorts(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const code = await listenProblem(port);
    if (code === null) continue;
    if (code !== 'EADDRINUSE') throw usage('port', `${port} cannot be listened on: ${code}`);
    const hint = 'is another cluster running? Stop it, or begin at another --port';
    throw usage('port', `${port} is in use: ${hint}`);
  }
}

/** null: it is free. */
function listenProblem(port: number): Promise<string | null> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
}
