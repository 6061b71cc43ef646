// @ts-check
// A leader dies between two messages: the second one is stored after the first, once, and soon.

/** @type {import('paceline/lab').Scenario} */
export async function scenario(lab) {
  const ann = lab.client('ann');
  const first = await ann.append({ conversation: 'g:lobby', sender: 'ann', body: 'one' });
  lab.expect(first.seq === 1, 'the first message is seq 1');

  lab.crash(await lab.leader());
  const beganMs = lab.nowMs;
  await ann.append({ conversation: 'g:lobby', sender: 'ann', body: 'two' });
  const pauseMs = lab.nowMs - beganMs;
  lab.say(`two is stored ${Math.round(pauseMs)} ms after its leader died`);
  lab.expect(pauseMs < 1000, 'a new leader serves within a second', `it took ${pauseMs} ms`);

  const stored = await lab.finals('g:lobby');
  lab.expect(stored.join() === 'one,two', 'nothing is lost or doubled', stored.join());
}
