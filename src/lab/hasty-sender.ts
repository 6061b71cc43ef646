// A sender that is not the SDK: on one stream it says one message after the other and waits for no answer, and
// now and then restarts the conversation, whatever was refused meanwhile. What the node promises of the order
// on a stream has to hold for it too.
import { encodeAppend } from '../client/append.ts';
import { encodeFrame } from '../client/frames.ts';
import { appendSessionPath } from '../gen/services.ts';
import type { LabClient, LabCluster } from './lab-cluster.ts';
import type { Recorder } from './recorder.ts';
import { addressOf, partitionOfName } from './shape.ts';

const appends = 150;
const restartEvery = 7;
const paceMs = 1;
/** Answers may still come, and are looked at. */
const waitMs = 1000;

export async function sendHastily(
  cluster: LabCluster,
  of: LabClient,
  conversation: string,
  recorder: Recorder,
): Promise<void> {
  const { machine } = of;
  const partition = partitionOfName(cluster.shape, conversation);
  const leader = cluster.nodes.find(
    ({ node }) => node?.replicas[partition]?.raft.role === 'leader',
  );
  if (leader === undefined) return;
  let isOpen = true;
  const transport = cluster.openTransport(machine, ' in haste');
  const stream = transport.openStream(addressOf(leader.id), appendSessionPath, {
    onResponse: () => {},
    onEnd: () => {
      isOpen = false;
    },
  });
  for (let frame = 1; frame <= appends && isOpen; frame += 1) {
    const value = recorder.newValue();
    const append = { conversation, sender: `${machine.name} in haste`, key: value } as const;
    const base = { process: recorder.newProcess(), op: 'append', value, ...append } as const;
    recorder.record({ type: 'invoke', ...base });
    // Nobody waits for its answer.
    recorder.record({ type: 'info', error: 'OUTCOME_UNKNOWN', ...base });
    const commands = [encodeAppend({ ...append, body: value }, conversation, value)];
    const restart = frame % restartEvery === 0 ? [conversation] : [];
    stream.send(encodeFrame(frame, [{ partition, restart, commands }]));
    await machine.pass(2 * paceMs * machine.random.next());
  }
  await machine.pass(waitMs);
  stream.close();
}
