// `paceline append --lines`: bytes as they came, and which line was refused.
import { describe, expect, it } from 'vitest';
import { useCluster } from '../cluster/fixture.ts';
import { Running } from './running.ts';

const fixture = useCluster();

async function appendLines(conversation: string, input: Buffer, ...flags: readonly string[]) {
  const servers = ['--servers', fixture.cluster.servers.join(',')];
  const args = ['append', conversation, '--lines', '--sender', 'ann', ...servers, ...flags];
  const running = new Running(args, input);
  const code = await running.end();
  return { code, stdout: running.stdout, stderr: running.stderr };
}

async function bodies(conversation: string): Promise<string[]> {
  const { messages } = await fixture.client.read({ conversation });
  return messages.map(({ body }) => Buffer.from(body).toString('latin1'));
}

describe('append --lines', () => {
  it('splits at \\n only and keeps every byte, but the \\r of \\r\\n', async () => {
    const lines = ['50%\r100%', 'caf\xe9', 'crlf\r', '', 'two\r\r', '\u0085\xff', 'last'];
    const { code, stdout } = await appendLines('g:bytes', Buffer.from(lines.join('\n'), 'latin1'));
    expect([code, stdout]).toEqual([0, '7 messages, up to seq 7\n']);
    const stored = ['50%\r100%', 'caf\xe9', 'crlf', '', 'two\r', '\u0085\xff', 'last'];
    expect(await bodies('g:bytes')).toEqual(stored);
  });

  it('with --key stores nothing twice when it is run again', async () => {
    const input = Buffer.from('one\ntwo\n');
    await appendLines('g:keyed', input, '--key', 'k');
    const { stdout } = await appendLines('g:keyed', input, '--key', 'k', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ sent: 2, stored: 2, duplicates: 2, lastSeq: 2 });
  });

  it('names the first line that is refused, and how many were not stored', async () => {
    const input = Buffer.from(`one\n${'x'.repeat(262_145)}\nthree\n`);
    const { code, stderr } = await appendLines('g:refused', input);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^TOO_LARGE: line 2: body .*262144.* \(not stored: \d of [23] lines sent\)$/m,
    );
    expect((await bodies('g:refused'))[0]).toBe('one');
  });

  it('names a line that is longer than it keeps, with the limit', async () => {
    const input = Buffer.from(`one\ntwo\n${'x'.repeat(2 ** 20 + 1)}\nfour\n`);
    const { code, stdout, stderr } = await appendLines('g:long', input, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ sent: 3, stored: 2 });
    const problem = 'body has more than 1048576 bytes, the limit is 262144';
    expect(stderr).toBe(`TOO_LARGE: line 3: ${problem} (not stored: 1 of 3 lines sent)\n`);
    expect(await bodies('g:long')).toEqual(['one', 'two']);
  });
});
