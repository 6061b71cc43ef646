#!/usr/bin/env node
// `paceline`: commands and their flags. Answers go to standard output, logs and reasons to standard
// error. Exit codes: 0 done, 1 refused, 2 usage, 3 unreachable or outcome unknown.
import { Command } from 'commander';
import { append } from './append.ts';
import { readConfigFile } from './config-file.ts';
import { dev } from './dev.ts';
import { exitCodeOf } from './exit.ts';
import { exportConversation } from './export.ts';
import { refuseBeside } from './flags.ts';
import { importFiles } from './import.ts';
import { ircForms } from './irc.ts';
import { lab, parseSeed, parseSeeds } from './lab.ts';
import { endWhenNobodyReads } from './output.ts';
import { read } from './read.ts';
import { serve } from './serve.ts';
import { type ServeFlags, serveSettings } from './settings.ts';
import { status } from './status.ts';
import { tail } from './tail.ts';
import { transfer } from './transfer.ts';
import { version } from './version.ts';

const program = new Command('paceline')
  .description('A replicated, ordered log made for chat.')
  .version(version)
  .exitOverride()
  .showHelpAfterError();

program
  .command('serve')
  .description('run one node')
  .option('--id <n>', 'this node, 1 or above')
  .option('--cluster <name>', 'the same for every node')
  .option('--listen <host:port>', 'for clients, peers and operators', '127.0.0.1:7400')
  .option('--peers <list>', 'every node, this one too: 1=HOST:PORT,2=HOST:PORT,...')
  .option('--data <dir>', "keeps this node's log")
  .option('--partitions <n>', 'a power of two; the same for every node (16)')
  .option('--mapping <name>', 'mix, tt_sum or tt_one; the same for every node (mix)')
  .option('--dedupe-window-ms <n>', 'how long keys are remembered (7 days)')
  .option('--dedupe-window-bytes <n>', 'how much a partition remembers (64 MiB)')
  .option(
    '--lease',
    'leaders answer reads alone where clocks can be trusted; the same for every node',
  )
  .option('--insecure', 'listen on an address other hosts can reach')
  .option('--log-level <level>', 'info, warn or silent (info)')
  .option('--config <file>', 'JSON with the same names in place of flags')
  .action(async ({ config, ...told }: ServeFlags & { config?: string }, command: Command) => {
    if (config !== undefined) refuseBeside('config', givenFlags(command));
    await serve(serveSettings(config === undefined ? told : readConfigFile(config)));
  });

program
  .command('dev')
  .description('run a whole cluster on this machine')
  .option('--nodes <n>', '1 to 7', '3')
  .option('--partitions <n>', 'a power of two', '16')
  .option('--data <dir>', 'kept between runs', './.paceline')
  .option('--fresh', 'forget what an earlier run stored')
  .option('--port <n>', 'of the first node; the others follow', '7400')
  .option('--restart', 'start a node that died again after 1 s')
  .option('--no-demo', 'say nothing in g:demo')
  .option('--json', 'compact JSON, one a line')
  .action(dev);

const servers = ['--servers <list>', 'HOST:PORT,... (PACELINE_SERVERS, or those of dev)'] as const;
const time = ['--time', 'log time of each, in UTC'] as const;
const timeout = ['--timeout <seconds>', 'give up after this'] as const;

program
  .command('append')
  .description('append a message; without BODY from standard input')
  .argument('<conversation>', 'such as g:lobby or p:alice~bob')
  .argument('[body]')
  .requiredOption('--sender <name>', 'who says it')
  .option('--key <key>', 'idempotency key: the same again is stored once')
  .option('--content-type <type>', 'such as text/plain')
  .option('--expected-seq <n>', 'refuse unless the newest seq is this')
  .option('--lines', 'a message a line of standard input')
  .option('--json', 'compact JSON')
  .option(...servers)
  .option(...timeout, '30')
  .action(append);

program
  .command('read')
  .description('read messages in order')
  .argument('<conversation>', 'such as g:lobby')
  .option('--after <seq>', 'start after this seq', '0')
  .option('--limit <n>', 'at most this many (100)')
  .option('--node <id>', 'ask this node')
  .option('--level <level>', 'linearizable, or eventual: what the node has', 'linearizable')
  .option('--viewer <name>', 'who reads: sees their own pending and rejected messages')
  .option(...time)
  .option('--json', 'compact JSON, a message a line')
  .option(...servers)
  .option(...timeout, '10')
  .action(read);

program
  .command('tail')
  .description('follow a conversation or a partition; Ctrl-C ends')
  .argument('[conversation]', 'such as g:lobby')
  .option('--partition <n>', 'follow this partition in log order instead')
  .option('--from <place>', 'start, or end: the newest 10 messages first (end)')
  .option('--after <seq>', 'start after this seq')
  .option('--after-index <n>', 'with --partition: start after this index')
  .option('--limit <n>', 'end after that many messages')
  .option('--node <id>', 'follow at this node')
  .option('--viewer <name>', 'who reads: sees their own pending and rejected messages')
  .option(...time)
  .option('--json', 'compact JSON, a message or an event a line')
  .option(...servers)
  .option(...timeout, '10')
  .action(tail);

program
  .command('import')
  .description('append the messages of chat logs; again adds only what is missing')
  .argument('<files...>', 'a conversation each: g:FILE')
  .option('--format <name>', `irc: lines are ${ircForms}`, 'irc')
  .option('--conversation <name>', 'all files into this one, in the order given')
  .option('--rate <n>', 'messages a second (as fast as it goes)')
  .option('--json', 'compact JSON')
  .option(...servers)
  .option(...timeout, '30')
  .action(importFiles);

program
  .command('export')
  .description('each body of a conversation and one \\n, as bytes')
  .argument('<conversation>', 'such as g:lobby')
  .option('--node <id>', 'ask this node')
  .option('--level <level>', 'linearizable, or eventual: what the node has', 'linearizable')
  .option('--viewer <name>', 'who reads: sees their own pending and rejected messages')
  .option('--json', 'compact JSON, a message a line')
  .option(...servers)
  .option(...timeout, '10')
  .action(exportConversation);

program
  .command('status')
  .description('nodes, leaders and replicas; works with any node down')
  .option('--json', 'compact JSON')
  .option(...servers)
  .option(...timeout, '1')
  .action(status);

program
  .command('transfer')
  .description('give the leadership of a partition to a node')
  .argument('<partition>', 'as in status')
  .argument('<node>', 'node id')
  .option('--json', 'compact JSON')
  .option(...servers)
  .option(...timeout, '5')
  .action(transfer);

program
  .command('lab')
  .description('torture nodes and clients under a seed: simulated time, network and disks')
  .option('--seed <n>', 'this seed, with all it did', parseSeed)
  .option('--seeds <n>', 'that many seeds, one after the other (100)', parseSeeds)
  .option('--from <n>', 'the first of them (any)', parseSeed)
  .option('--script <file>', 'a scenario of your own (docs/lab.md), under --seed or --seeds')
  .option('--trace', 'with --seed or --script: everything that happened, on standard error')
  .option('--json', 'compact JSON')
  .action(lab);

main().catch((error: unknown) => {
  process.exitCode = exitCodeOf(error);
});

/** Names of the flags on the command line, without those that have a value by themselves. */
function givenFlags(command: Command): string[] {
  const given = command.options.filter((option) => {
    return command.getOptionValueSource(option.attributeName()) === 'cli';
  });
  return given.map(({ long }) => long?.replace(/^--/, '') ?? '');
}

async function main(): Promise<void> {
  endWhenNobodyReads();
  await program.parseAsync();
}
