// Real chat through kills: all logs, and an odd one, imported by the real `paceline import` while every
// 5 s a random node is killed with kill -9 and started again. Every node has to end with exactly the
// files' messages; the same import again adds nothing.
import { connect } from '../../src/client/grpc/connect.ts';
import type { Cluster } from '../harness/cluster.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import { anyOf } from '../harness/load.ts';
import { until } from '../harness/until.ts';
import { type ImportEnd, importLogs } from '../irc/cli.ts';
import { type IrcLog, ircLogs, messageCount } from '../irc/logs.ts';
import { oddLog } from '../irc/odd-log.ts';
import { verifyByExports, verifyByReads } from '../irc/verify.ts';

const killEveryMs = 5000;
const downMsMax = 1000;
const killsMin = 12;
const rate = 2000;
/** Logs whose exports are compared through the command itself, on each node. */
const exported = 4;

export const fault: Fault = {
  about: 'import of all IRC logs while nodes are killed every 5 s',
  limitMs: 600_000,
  async run(run) {
    const odd = oddLog(run.directory);
    const logs = [odd, ...ircLogs(run.directory, run.say)];
    const cluster = await run.cluster();
    cluster.start();
    await cluster.ready();
    const { end, kills } = await importThroughKills(run, cluster, logs);
    run.say(`${end.messages} messages in ${end.seconds} s through ${kills} kills`);
    await cluster.settled(60_000);
    const before = await problemsOf(run, cluster, logs);
    const again = await importLogs(filesOf(logs), serversOf(cluster), run.say);
    run.say(`again: ${again.messages} messages, ${again.duplicates} of them duplicates`);
    await cluster.settled(60_000);
    const after = await problemsOf(run, cluster, logs);
    const messages = messageCount(logs);
    const isWhole = [end, again].every((each) => each.messages === messages && each.refused === 0);
    const addsNothing = again.duplicates === messages;
    const fatal = cluster.fatalLines();
    const problems = [...before.problems, ...after.problems];
    const isRight = isWhole && addsNothing && problems.length === 0;
    return {
      ok: isRight && kills >= killsMin && fatal.length === 0,
      faultsDone: kills,
      figures: {
        messages,
        skipped: end.skipped,
        seconds: end.seconds,
        per_second: end.perSecond,
        answered_duplicate: end.duplicates,
        second_import_duplicates: again.duplicates,
        conversations: logs.length,
        exports: before.exports + after.exports,
        problems,
        fatal,
      },
    };
  },
};

async function importThroughKills(
  run: FaultRun,
  cluster: Cluster,
  logs: readonly IrcLog[],
): Promise<{ end: ImportEnd; kills: number }> {
  let end: ImportEnd | null = null;
  const flags = [...serversOf(cluster), '--rate', `${rate}`];
  const importing = importLogs(filesOf(logs), flags, run.say).then((ended) => {
    end = ended;
    return ended;
  });
  let kills = 0;
  const killing = async () => {
    for (;;) {
      await pause(killEveryMs);
      if (end !== null) return;
      await killOne(run, cluster);
      kills += 1;
    }
  };
  const [ended] = await Promise.all([importing, killing()]);
  return { end: ended, kills };
}

/** At most one is down: the last one answers before the next is killed. */
async function killOne(run: FaultRun, cluster: Cluster): Promise<void> {
  await until('every node answers', 20_000, async () => {
    return (await cluster.statuses()).size === cluster.nodes.length;
  });
  const node = anyOf(cluster.nodes);
  await node.kill();
  const downMs = Math.random() * downMsMax;
  await pause(downMs);
  node.start();
  run.say(`killed node ${node.id}, down ${Math.round(downMs)} ms`);
}

async function problemsOf(run: FaultRun, cluster: Cluster, logs: readonly IrcLog[]) {
  const client = connect({ servers: cluster.servers });
  const reads = await verifyByReads(client, cluster, logs);
  await client.close();
  const { exports, problems } = await verifyByExports(cluster, logs.slice(0, exported));
  const all = [...reads, ...problems];
  for (const problem of all) run.say(`PROBLEM ${problem}`);
  return { exports, problems: all };
}

function filesOf(logs: readonly IrcLog[]): string[] {
  return logs.map(({ file }) => file);
}

function serversOf(cluster: Cluster): string[] {
  return ['--servers', cluster.servers.join(',')];
}

/** The rhythm of the faults; nothing is waited for here. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
