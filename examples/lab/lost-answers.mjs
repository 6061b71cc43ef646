// @ts-check
// A service that does not know whether its message was stored sends it again with the same key. Here it
// does so while disks stall, clocks are wrong and power is lost: everything is stored once, in order.

/** @type {import('paceline/lab').ScenarioCluster} */
export const cluster = { nodes: 3, partitions: 4 };

/** @type {import('paceline/lab').Scenario} */
export async function scenario(lab) {
  const bodies = Array.from({ length: 40 }, (_, i) => `message ${i + 1}`);
  let isOver = false;
  const sending = sendAll(lab, bodies).then(() => {
    isOver = true;
  });

  while (!isOver) {
    await lab.pass(300 + 700 * lab.random());
    const node = lab.nodes[Math.floor(lab.random() * lab.nodes.length)] ?? 1;
    const dice = lab.random();
    if (dice < 0.3) lab.stallDisk(node, 1500);
    else if (dice < 0.6) lab.skewClock(node, 3_600_000);
    else {
      lab.losePower(node);
      await lab.pass(500);
      lab.restart(node);
    }
  }
  await sending;

  const stored = await lab.finals('g:lobby');
  lab.expect(stored.join() === bodies.join(), 'each is stored once, in order', stored.join());
}

/**
 * @param {import('paceline/lab').Lab} lab
 * @param {readonly string[]} bodies
 */
async function sendAll(lab, bodies) {
  const client = lab.client('service');
  for (const [i, body] of bodies.entries()) {
    await lab.pass(200);
    const message = { conversation: 'g:lobby', sender: 'service', key: `k${i}`, body };
    for (let isStored = false; !isStored; ) {
      try {
        await client.append(message);
        isStored = true;
      } catch (error) {
        lab.say(`${body}: ${error}`);
        await lab.pass(50);
      }
    }
  }
}
