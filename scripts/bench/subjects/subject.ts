// What the benchmark knows of a system it measures: how to start three nodes of it, how its client
// appends, and when it says that a message is kept. One file a subject; nothing else knows them apart.

export interface Subject {
  readonly name: string;
  /** When an append is answered, in a few words. */
  readonly durability: string;
  /** What becomes of a retry. */
  readonly idempotency: string;
  /** What it needs that npm does not install. */
  readonly needs?: Needs;
  /** In the benchmark's process: three nodes on loopback with fresh data, ready for appends. */
  start(setup: Setup): Promise<Servers>;
  /** In the client's process. */
  connect(place: Place): Promise<Driver>;
}

export interface Needs {
  /** Where one of these is found, it is installed. */
  readonly binaries: readonly string[];
  readonly debianPackage: string;
}

export interface Setup {
  /** Exists, is empty, and may be entered by every user. */
  readonly directory: string;
  readonly partitions: number;
  /** Of Paceline, three where it is not said. */
  readonly nodes?: number;
  /** A command that starts servers, put before theirs: empty, or the one that delays their syncs. */
  readonly through: readonly string[];
  /** Where that command counts them; null: they are not counted. */
  readonly syncsDirectory: string | null;
  /** More flags of every `paceline serve`. */
  readonly flags?: readonly string[];
  /** Flags of the node binary that runs node N of Paceline, from 1. */
  readonly nodeFlags?: (node: number) => readonly string[];
}

/** What a client has to be told: it travels as JSON. */
export interface Place {
  /** host:port of the nodes, the one to prefer first. */
  readonly addresses: readonly string[];
  readonly partitions: number;
}

export interface Servers {
  readonly version: string;
  readonly place: Place;
  /** Of the processes started here; those that they start are found below them. */
  readonly pids: readonly number[];
  /** One a replica. */
  readonly dataDirectories: readonly string[];
  /** How many messages each replica holds, asked of the replica itself. */
  held(): Promise<readonly number[]>;
  stop(): Promise<void>;
  /** After stop: what a store in use would do by and by. */
  compact?(): Promise<void>;
}

export interface Message {
  /** From 0 in this client. */
  readonly number: number;
  /** From 0, below the load's number of them. */
  readonly conversation: number;
  readonly body: Buffer;
}

export interface Driver {
  /** `done` is called once: with null when the message is kept, or with why that cannot be said. */
  append(message: Message, done: (error: Error | null) => void): void;
  /** Calls with the body of every message from now on; resolves once none would be missed. */
  subscribe?(onBody: (body: Uint8Array) => void): Promise<void>;
  close(): Promise<void>;
}

/** Of what messages it is: it travels as JSON. */
export interface Load {
  /** As many, one at random a message. */
  readonly conversations: number;
  readonly bodyBytes: number;
}

export const usualLoad: Load = { conversations: 1000, bodyBytes: 256 };
export const sender = 'bench';

export const conversations: readonly string[] = Array.from(
  { length: usualLoad.conversations },
  (_, i) => nameOf(i),
);

export function conversationName(conversation: number): string {
  return conversations[conversation] ?? nameOf(conversation);
}

function nameOf(conversation: number): string {
  return `g:room-${conversation}`;
}
