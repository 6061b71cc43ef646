// @ts-check
// A leader is cut off from the others while clients still reach it. It does not know that another one
// leads by now, and must not answer a linearizable read by what it has.

/** @type {import('paceline/lab').ScenarioCluster} */
export const cluster = { nodes: 3, partitions: 1 };

/** @type {import('paceline/lab').Scenario} */
export async function scenario(lab) {
  const ann = lab.client('ann');
  const bob = lab.client('bob');
  await ann.append({ conversation: 'g:lobby', sender: 'ann', body: 'before' });
  const old = await lab.leader();
  lab.isolate(old);
  lab.cutClient('ann', old);

  // Goes to the new leader, as soon as there is one.
  const { seq } = await ann.append({ conversation: 'g:lobby', sender: 'ann', body: 'after' });

  // Asks the old one only: no answer is right, an old answer is not.
  const server = `node-${old}:7400`;
  const page = await bob
    .read({ conversation: 'g:lobby', level: 'linearizable', server })
    .catch(() => null);
  const head = page === null ? 'none' : page.headSeq;
  lab.expect(page === null || page.headSeq >= seq, 'a read is not too old', `its head is ${head}`);

  await lab.converge();
}
