// What a turn has to send, gathered by peer and lane: entries on the data lane, everything else on
// the control lane, never behind bulk. A frame is cut where it would grow over the limit. Acknowledgements
// share a small frame of entries to the same peer, as every frame costs both ends far more than what is in it.
// A Commit may wait for such a frame too; where a newer Append or Commit to the same replica comes meanwhile,
// that one says it.
import type { Lane, NodeId, PeerBatch, PeerMessage } from '../transport/types.ts';

type Frame = Omit<PeerBatch, 'wallMs'>;

interface OpenFrame {
  readonly partitions: number[];
  readonly messages: PeerMessage[];
  bytes: number;
}

interface Lanes {
  control: OpenFrame[];
  data: OpenFrame[];
  /** Of acknowledgements alone; null: there are none. */
  acknowledgements: OpenFrame | null;
  /** The newest of each partition. */
  readonly commits: Map<number, PeerMessage>;
}

/** A frame of more entries is bulk. */
const sharedBytesMax = 64 * 1024;

export class PeerFrames {
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
      lanes = { control: [], data: [], acknowledgements: null, commits: new Map() };
      this.peers.set(message.to, lanes);
    }
    if (message.type === 'Commit') {
      lanes.commits.set(partition, message);
      return;
    }
    if (message.type === 'Append') lanes.commits.delete(partition);
    const bytes = entryBytes(message);
    const frame = this.frameFor(lanes, message, bytes);
    frame.partitions.push(partition);
    frame.messages.push(message);
    frame.bytes += bytes;
  }

  /** True: there is nothing to send, nor held back. */
  get isEmpty(): boolean {
    for (const { control, data, acknowledgements, commits } of this.peers.values()) {
      if (control.length + data.length + commits.size > 0 || acknowledgements !== null)
        return false;
    }
    return true;
  }

  /** True: a Commit waits. */
  get holdsBack(): boolean {
    for (const { commits } of this.peers.values()) if (commits.size > 0) return true;
    return false;
  }

  /** `mayHold`: Commits wait for the next frame of entries to their peer. */
  drain(mayHold: boolean, send: (to: NodeId, lane: Lane, frame: Frame) => void): void {
    for (const [to, lanes] of this.peers) {
      const { control, data, acknowledgements, commits } = lanes;
      const hasFrames = control.length + data.length > 0 || acknowledgements !== null;
      if (!hasFrames && (mayHold || commits.size === 0)) continue;
      if (commits.size > 0 && (!mayHold || data.length > 0)) addAll(data, commits);
      if (acknowledgements !== null) share(acknowledgements, control, data);
      lanes.control = [];
      lanes.data = [];
      lanes.acknowledgements = null;
      for (const frame of control) send(to, 'control', frame);
      for (const frame of data) send(to, 'data', frame);
    }
  }

  private frameFor(lanes: Lanes, { type }: PeerMessage, bytes: number): OpenFrame {
    if (type === 'AppendOk') {
      lanes.acknowledgements ??= emptyFrame();
      return lanes.acknowledgements;
    }
    const frames = type === 'Append' ? lanes.data : lanes.control;
    const last = frames.at(-1);
    const isFull = last !== undefined && last.bytes > 0 && last.bytes + bytes > this.frameBytesMax;
    if (last !== undefined && !isFull) return last;
    const opened = emptyFrame();
    frames.push(opened);
    return opened;
  }
}

/** A commit is told after the entries that it is about. */
function addAll(data: OpenFrame[], commits: Map<number, PeerMessage>): void {
  const frame = data.at(-1) ?? emptyFrame();
  if (data.length === 0) data.push(frame);
  for (const [partition, message] of commits) {
    frame.partitions.push(partition);
    frame.messages.push(message);
  }
  commits.clear();
}

/** Puts them where a frame leaves in any case. */
function share(acknowledgements: OpenFrame, control: OpenFrame[], data: OpenFrame[]): void {
  const [only] = data;
  const isSmall = only !== undefined && data.length === 1 && only.bytes <= sharedBytesMax;
  const shared = control[0] ?? (isSmall ? only : undefined);
  if (shared === undefined) {
    control.push(acknowledgements);
    return;
  }
  for (const message of acknowledgements.messages) shared.messages.push(message);
  for (const partition of acknowledgements.partitions) shared.partitions.push(partition);
}

function emptyFrame(): OpenFrame {
  return { partitions: [], messages: [], bytes: 0 };
}

function entryBytes(message: PeerMessage): number {
  if (message.type !== 'Append') return 0;
  let bytes = 0;
  for (const entry of message.entries) bytes += entry.payload.bytes.length;
  return bytes;
}
