// How fast real chat comes in: all logs by the real `paceline import`, no kills. Then every node has to
// hold exactly the files' messages.
import { loadavg } from 'node:os';
import { connect } from '../../src/client/grpc/connect.ts';
import type { Fault } from '../harness/fault.ts';
import { importLogs } from '../irc/cli.ts';
import { ircLogs, messageCount } from '../irc/logs.ts';
import { verifyByReads } from '../irc/verify.ts';

const perSecondMin = 25_000;

export const fault: Fault = {
  about: 'import of all IRC logs without kills: messages a second',
  limitMs: 180_000,
  async run(run) {
    const logs = ircLogs(run.directory, run.say);
    const cluster = await run.cluster();
    cluster.start();
    await cluster.ready();
    const loadBefore = loadavg()[0] ?? 0;
    run.say(`load average before: ${loadBefore.toFixed(2)}`);
    const servers = ['--servers', cluster.servers.join(',')];
    const files = logs.map(({ file }) => file);
    const end = await importLogs(files, servers, run.say);
    const messages = messageCount(logs);
    run.say(`${end.messages} messages in ${end.seconds} s: ${end.perSecond} messages/s`);
    await cluster.settled();
    const client = connect({ servers: cluster.servers });
    const problems = await verifyByReads(client, cluster, logs);
    await client.close();
    for (const problem of problems) run.say(`PROBLEM ${problem}`);
    const isWhole = end.messages === messages && end.duplicates === 0 && end.refused === 0;
    return {
      ok: isWhole && problems.length === 0 && end.perSecond >= perSecondMin,
      faultsDone: 0,
      figures: {
        per_second: end.perSecond,
        seconds: end.seconds,
        messages,
        skipped: end.skipped,
        duplicates: end.duplicates,
        load_average_before: Number(loadBefore.toFixed(2)),
        problems: problems.length,
      },
    };
  },
};
