// Scenarios of users: the documented ones hold, and what breaks is told with the rule.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { timeline } from '../../src/lab/report.ts';
import { runScenario, type Scenario } from '../../src/lab/scenario.ts';

const folder = path.resolve(import.meta.dirname, '../../examples/lab');
const message = { conversation: 'g:lobby', sender: 'ann' };

describe('the documented scenarios hold', () => {
  test.each(readdirSync(folder))('%s', async (file) => {
    const script = await import(path.join(folder, file));
    for (let seed = 1; seed <= 5; seed += 1) {
      const { broken } = await runScenario({ ...script, seed });
      expect(broken).toBeNull();
    }
  });
});

/** The rule that it breaks. */
async function ruleBrokenBy(scenario: Scenario): Promise<string | undefined> {
  const { broken } = await runScenario({ scenario, seed: 1 });
  return broken?.rule;
}

describe('a scenario breaks the rule', () => {
  test('that it expects and does not find', async () => {
    const rule = 'nobody has written yet';
    const broken = await ruleBrokenBy(async (lab) => {
      const { seq } = await lab.client('ann').append({ ...message, body: 'one' });
      lab.expect(seq === 0, rule, `seq ${seq}`);
    });
    expect(broken).toBe(rule);
  });

  test('that something comes in time', async () => {
    const rule = 'a majority of one in three leads';
    const broken = await ruleBrokenBy(async (lab) => {
      lab.crash(2);
      lab.crash(3);
      await lab.pass(5000);
      let seq = 0;
      lab
        .client('ann')
        .append({ ...message, body: 'one' })
        .then(
          (appended) => {
            seq = appended.seq;
          },
          () => {},
        );
      await lab.until(rule, () => seq > 0, 2000);
    });
    expect(broken).toBe(rule);
  });

  test('that it does not throw', async () => {
    expect(await ruleBrokenBy(async (lab) => lab.crash(9))).toBe('the scenario does not throw');
  });

  test('that it ends, where it waits for a real timer', async () => {
    const broken = await ruleBrokenBy(() => new Promise((resolve) => setTimeout(resolve, 60_000)));
    expect(broken).toBe('a scenario ends');
  });
});

test('a damaged row is never answered', async () => {
  const scenario: Scenario = async (lab) => {
    const ann = lab.client('ann');
    for (let i = 0; i < 30; i += 1) await ann.append({ ...message, body: `message ${i}` });
    for (let i = 0; i < 20; i += 1) lab.flipBit(2);
    lab.crash(2);
    lab.restart(2);
    await lab.pass(1000);
    const server = 'node-2:7400';
    const page = await ann.read({ ...message, level: 'eventual', server }).catch(() => null);
    for (const [i, { body }] of (page?.messages ?? []).entries()) {
      const text = Buffer.from(body).toString();
      lab.expect(text === `message ${i}`, 'what is read is what was written', text);
    }
  };
  expect((await runScenario({ scenario, seed: 3 })).broken).toBeNull();
});

test('a cluster that cannot be is refused by the field', async () => {
  const scenario: Scenario = async () => {};
  await expect(runScenario({ scenario, seed: 1, cluster: { nodes: 8 } })).rejects.toMatchObject({
    reason: 'BAD_REQUEST',
    field: 'cluster.nodes',
  });
  await expect(
    runScenario({ scenario, seed: 1, cluster: { partitions: 3 } }),
  ).rejects.toMatchObject({
    field: 'cluster.partitions',
  });
});

test('the timeline names who did what, and the rule', async () => {
  const scenario: Scenario = async (lab) => {
    lab.crash(1);
    lab.say('now');
    lab.expect(false, 'a rule', 'a detail');
  };
  const told = timeline(await runScenario({ scenario, seed: 1, lines: true }));
  expect(told).toMatch(/node 1 +is killed/);
  expect(told).toMatch(/script +now/);
  expect(told).toMatch(/broken: a rule\na detail$/);
});
