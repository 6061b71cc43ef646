// What `paceline serve` refuses at its start, each with one line that names the flag, and exit code 2.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { paceline } from '../../scripts/irc/cli.ts';
import { readConfigFile } from '../../src/cli/config-file.ts';
import { otherAddress, type ServeFlags, serveSettings } from '../../src/cli/settings.ts';
import { freePorts, Running } from './running.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'paceline-serve-'));
afterAll(() => rmSync(directory, { recursive: true }));

let written = 0;

function file(content: unknown): string {
  written += 1;
  const name = path.join(directory, `${written}.json`);
  writeFileSync(name, typeof content === 'string' ? content : JSON.stringify(content));
  return name;
}

const data = path.join(directory, 'unused');
const listen = '127.0.0.1:7400';
const flags: ServeFlags = { id: 1, cluster: 'c', data, listen, peers: `1=${listen}` };

describe('serve --config', () => {
  it('takes the names of the flags, and as code spells them', () => {
    const kebab = { 'log-level': 'warn', 'dedupe-window-ms': 5000, 'dedupe-window-bytes': 70_000 };
    const camel = { logLevel: 'warn', dedupeWindowMs: 5000, dedupeWindowBytes: 70_000 };
    expect(readConfigFile(file({ ...flags, ...kebab }))).toEqual({ ...flags, ...camel });
    expect(readConfigFile(file({ ...flags, ...camel }))).toEqual({ ...flags, ...camel });
  });

  it.each([
    ['{', /^config ".*" is not JSON: /],
    [[1], /^config ".*" is not a JSON object$/],
    [{ ports: 1 }, /^config ".*" has an unknown setting: ports$/],
    [{ 'log-level': 'info', logLevel: 'info' }, /has log-level twice$/],
    [{ data: 5 }, /^data is 5, it must be text$/],
    [{ peers: { 1: 'h:1' } }, /^peers is \{"1":"h:1"\}, it must be text such as "1=HOST:PORT,/],
    [{ 'dedupe-window-ms': null }, /^dedupe-window-ms is null, it must be a number$/],
    [{ lease: 'yes' }, /^lease is "yes", it must be true or false$/],
  ])('refuses %j', (content, message) => {
    expect(() => readConfigFile(file(content))).toThrow(message);
  });

  it('goes without other flags, and says which there are', async () => {
    const name = file(flags);
    const { code, stderr } = await paceline(['serve', '--config', name, '--id', '2', '--lease']);
    const problem = 'config goes without other flags, and there is --id, --lease';
    expect([code, stderr]).toEqual([2, `BAD_REQUEST: ${problem}\n`]);
  });

  it('that is not there is one line', async () => {
    const { code, stderr } = await paceline(['serve', '--config', `${directory}/none`]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^BAD_REQUEST: config ".*none" cannot be read: ENOENT.*\n$/);
  });
});

describe('settings of serve', () => {
  it.each([
    [{ logLevel: 'loud' }, 'log-level "loud" is not one of info, warn, silent'],
    [{ peers: '1=127.0.0.1:1,2=127.0.0.1:1' }, 'peers gives two nodes the address 127.0.0.1:1'],
    [{ peers: '' }, 'peers is missing: every node as ID=HOST:PORT'],
    [{ peers: ',' }, 'peers does not name node 1'],
    [{ peers: '2=127.0.0.1:7401,3=127.0.0.1:7402' }, 'peers does not name node 1'],
    [{ id: 2, peers: '1=127.0.0.1:7401' }, 'peers does not name node 2'],
    [{ peers: '2=127.0.0.1=x:1' }, 'peers "127.0.0.1=x:1" is not HOST:PORT'],
    [{ peers: '127.0.0.1:1' }, 'peers "127.0.0.1:1" is not ID=HOST:PORT'],
    [{ peers: '1=127.0.0.1:70000' }, '"127.0.0.1:70000" has port 70000, it must be 1 to 65535'],
    [{ peers: '1=127.0.0.1:0' }, 'peers "127.0.0.1:0" has port 0, it must be 1 to 65535'],
    [{ listen: '127.0.0.1:123456' }, 'listen "127.0.0.1:123456" has port 123456, it must be 1'],
    [{ dedupeWindowMs: 5 }, 'dedupe-window-ms is 5, it must be 1000 to 35184372088832'],
  ])('%j', (more, message) => {
    expect(() => serveSettings({ ...flags, ...more })).toThrow(message);
  });

  it('takes a cluster of one where it is asked for, and founds none by itself', () => {
    expect([...serveSettings(flags).node.nodes]).toEqual([[1, listen]]);
    const { peers: _, ...told } = flags;
    const alone = 'peers is missing: .* a cluster of this node alone is --peers 1=HOST:PORT';
    expect(() => serveSettings(told)).toThrow(new RegExp(alone));
  });

  it.each([
    ['127.0.0.1:7400', '127.0.0.1:7400', ''],
    ['127.0.0.1:7400', '127.0.0.1:7401', '127.0.0.1:7401'],
    ['0.0.0.0:7400', 'db1:7400', ''],
    ['0.0.0.0:7400', 'db1:7500', 'db1:7500'],
  ])('a node that listens at %s and is %s to others: warns of "%s"', (listen, told, warned) => {
    const settings = serveSettings({ ...flags, listen, peers: `1=${told}`, insecure: true });
    expect(otherAddress(settings.node)).toBe(warned);
  });
});

describe('serve --log-level warn', () => {
  it('says what needs somebody to look, and nothing else', async () => {
    const port = await freePorts(2);
    const peers = `1=127.0.0.1:${port + 1}`;
    const at = ['--listen', `127.0.0.1:${port}`, '--peers', peers, '--data', `${directory}/warn`];
    const node = new Running(
      ['serve', '--id', '1', '--cluster', 'c', ...at, '--log-level', 'warn'],
      null,
    );
    await node.until(() => node.stderr.endsWith('\n'));
    await node.end('SIGTERM');
    const line: unknown = JSON.parse(node.stderr);
    const msg = 'peers names this node by another address than --listen';
    expect(line).toMatchObject({ level: 40, node: 1, msg });
  });
});

describe('serve that cannot start says why in one line, and ends with 2', () => {
  const own = ['serve', '--id', '1', '--cluster', 'c'];

  it('where peers is missing', async () => {
    const { code, stderr } = await paceline([...own, '--data', data]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^BAD_REQUEST: peers is missing: .*\n$/);
  });

  it('where data is a file', async () => {
    const name = file('');
    const flags = ['--data', name, '--peers', '1=127.0.0.1:7400'];
    const { code, stderr } = await paceline([...own, ...flags]);
    const problem = `data "${name}" cannot be used as a directory: it is a file`;
    expect([code, stderr]).toEqual([2, `BAD_REQUEST: ${problem}\n`]);
  });

  it('where data or the port are in use, and warns of an address that is not its own', async () => {
    const port = await freePorts(2);
    const [data, listen] = [path.join(directory, 'data'), `127.0.0.1:${port}`];
    const shared = [...own, '--peers', `1=127.0.0.1:${port + 1}`];
    const running = new Running([...shared, '--data', data, '--listen', listen]);
    await running.until(() => running.stderr.includes('by another address than --listen'));
    const used = await paceline([...shared, '--data', data, '--listen', `127.0.0.1:${port + 1}`]);
    const problem = `data "${data}" is in use by another process`;
    expect([used.code, used.stderr]).toEqual([2, `BAD_REQUEST: ${problem}\n`]);
    const taken = await paceline([...shared, '--data', `${data}-2`, '--listen', listen]);
    const why = `listen ${listen} cannot be listened at: another process listens there`;
    expect([taken.code, taken.stderr]).toEqual([2, `BAD_REQUEST: ${why}\n`]);
    expect(await running.end('SIGTERM')).toBe(0);
  });
});
