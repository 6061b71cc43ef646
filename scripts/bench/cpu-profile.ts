// A V8 CPU profile as a tree of calls: the samples of a stretch of time, without those that were idle.

export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** us of the system's monotonic clock. */
  readonly startTime: number;
  /** Ids of nodes, */
  readonly samples: readonly number[];
  /** and us since the sample before. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    /** From 0. */
    readonly lineNumber: number;
  };
  readonly children?: readonly number[];
}

export type Origin = 'own' | 'library' | 'node' | 'engine';

export interface Call {
  readonly name: string;
  /** Such as dist/node/turn.js:120; '' for what has no source. */
  readonly place: string;
  readonly origin: Origin;
  selfUs: number;
  totalUs: number;
  readonly callees: Map<string, Call>;
}

export interface SelfTime {
  readonly name: string;
  readonly place: string;
  readonly selfUs: number;
  /** With everything it calls; what calls itself is counted once. */
  readonly totalUs: number;
}

interface Stretch {
  readonly fromUs: number;
  readonly toUs: number;
}

/** `root`: the project's directory, taken off the places. */
export function readCalls(profile: CpuProfile, stretch: Stretch, root: string): Call {
  const self = selfTimes(profile, stretch);
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const all = createCall('all', '', 'engine');
  const [first] = profile.nodes;
  if (first !== undefined) addNode(first, all);
  return all;

  function addNode(node: ProfileNode, call: Call): number {
    let total = node.callFrame.functionName === '(idle)' ? 0 : (self.get(node.id) ?? 0);
    call.selfUs += total;
    for (const id of node.children ?? []) {
      const child = nodes.get(id);
      if (child !== undefined) total += addNode(child, calleeOf(call, child, root));
    }
    call.totalUs += total;
    return total;
  }
}

function selfTimes(profile: CpuProfile, { fromUs, toUs }: Stretch): Map<number, number> {
  const self = new Map<number, number>();
  let atUs = profile.startTime;
  profile.samples.forEach((id, i) => {
    // A sample stands for the time until the next one.
    atUs += profile.timeDeltas[i] ?? 0;
    const lastsUs = Math.max(0, profile.timeDeltas[i + 1] ?? 0);
    if (atUs >= fromUs && atUs < toUs) self.set(id, (self.get(id) ?? 0) + lastsUs);
  });
  return self;
}

function calleeOf(call: Call, { callFrame }: ProfileNode, root: string): Call {
  const { functionName, url, lineNumber } = callFrame;
  const place = url === '' ? '' : `${placeOf(url, root)}:${lineNumber + 1}`;
  const name = functionName || '(anonymous)';
  const key = `${name} ${place}`;
  let callee = call.callees.get(key);
  if (callee === undefined) {
    callee = createCall(name, place, originOf(url, root));
    call.callees.set(key, callee);
  }
  return callee;
}

function createCall(name: string, place: string, origin: Origin): Call {
  return { name, place, origin, selfUs: 0, totalUs: 0, callees: new Map() };
}

function placeOf(url: string, root: string): string {
  const own = `file://${root}/`;
  const place = url.startsWith(own) ? url.slice(own.length) : url.replace(`${root}/`, '');
  return place.replace(/^.*node_modules\//, '');
}

function originOf(url: string, root: string): Origin {
  if (url.includes('node_modules')) return 'library';
  if (url.startsWith('node:')) return 'node';
  return url.includes(root) ? 'own' : 'engine';
}

/** Functions by the time they take themselves, most first. */
export function selfTimesOf(root: Call): SelfTime[] {
  const times = new Map<string, { name: string; place: string; selfUs: number; totalUs: number }>();
  addCall(root, new Set());
  return [...times.values()].sort((a, b) => b.selfUs - a.selfUs);

  function addCall(call: Call, above: ReadonlySet<string>): void {
    const key = `${call.name} ${call.place}`;
    const { name, place } = call;
    const time = times.get(key) ?? { name, place, selfUs: 0, totalUs: 0 };
    times.set(key, time);
    time.selfUs += call.selfUs;
    if (!above.has(key)) time.totalUs += call.totalUs;
    const below = new Set([...above, key]);
    for (const callee of call.callees.values()) addCall(callee, below);
  }
}
