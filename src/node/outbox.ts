// What a turn has to send, gathered by peer and lane: entries on the data lane, everything else on
// the control lane, never behind bulk. A frame is cut where it would grow over the limit.
import type { Lane, NodeId, PeerBatch, PeerMessage } from '../transport/types.ts';

type Frame = Omit<PeerBatch, 'wallMs'>;

interface OpenFrame {
  readonly partitions: number[];
  readonly messages: PeerMessage[];
  bytes: number;
}

interface Lanes {
  readonly control: OpenFrame[];
  readonly data: OpenFrame[];
}

export class Outbox {
  private readonly self: NodeId;
  private readonly frameBytesMax: number;
  private readonly peers = new Map<NodeId, Lanes>();

  constructor(self: NodeId, frameBytesMax: number) {
    this.self = self;
    this.frameBytesMax = frameBytesMax;
  }

  /** Replica id = node id in the founding config. */
  put(partition: number, message: PeerMessage): void {
    if (message.to === this.self) return;
    let lanes = this.peers.get(message.to);
    if (lanes === undefined) {
      lanes = { control: [], data: [] };
      this.peers.set(message.to, lanes);
    }
    const frames = message.type === 'Append' ? lanes.data : lanes.control;
    const bytes = entryBytes(message);
    let frame = frames.at(-1);
    if (frame === undefined || (frame.bytes > 0 && frame.bytes + bytes > this.frameBytesMax)) {
      frame = { partitions: [], messages: [], bytes: 0 };
      frames.push(frame);
    }
    frame.partitions.push(partition);
    frame.messages.push(message);
    frame.bytes += bytes;
  }

  drain(send: (to: NodeId, lane: Lane, frame: Frame) => void): void {
    for (const [to, lanes] of this.peers) {
      for (const frame of lanes.control.splice(0)) send(to, 'control', frame);
      for (const frame of lanes.data.splice(0)) send(to, 'data', frame);
    }
  }
}

function entryBytes(message: PeerMessage): number {
  if (message.type !== 'Append') return 0;
  let bytes = 0;
  for (const entry of message.entries) bytes += entry.payload.bytes.length;
  return bytes;
}
