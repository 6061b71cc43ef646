// The streaming rpcs by their paths: what comes from the caller goes to an append session or a
// subscription, what they say goes to a sink. Knows no gRPC.
import { appendSessionPath, subscribePath } from '../gen/services.ts';
import type { Node } from '../node/node.ts';
import { AppendSession } from './append-session.ts';
import { Subscription } from './subscription.ts';

/** The node's end of a stream, as the one who carries it calls it. */
export interface ServerStream {
  /** Throws PacelineError where the stream has to end with it. */
  take(request: Buffer): void;
  /** No request comes any more. */
  endOfRequests(): void;
  /** There is room for responses again. */
  drained(): void;
  /** Nobody is there any more. */
  close(): void;
}

/** The way back to the caller. */
export interface StreamSink {
  /** False: it is taken, but no more should come before `drained`. */
  write(response: Buffer): boolean;
  /** Requests wait until `resume`. */
  pause(): void;
  resume(): void;
  end(): void;
  /** With any error thrown: what is no PacelineError is told as INTERNAL. */
  fail(error: unknown): void;
}

type OpenStream = (node: Node, sink: StreamSink) => ServerStream;

export const streamPaths: ReadonlyMap<string, OpenStream> = new Map<string, OpenStream>([
  [appendSessionPath, openAppendSession],
  [subscribePath, openSubscription],
]);

function openAppendSession(node: Node, sink: StreamSink): ServerStream {
  const session = new AppendSession(node, (response) => {
    // A client that does not read its answers is not read from.
    if (!sink.write(response)) sink.pause();
  });
  return {
    take: (request) => session.take(request),
    endOfRequests: () => session.finish(() => sink.end()),
    drained: () => sink.resume(),
    close: () => session.close(),
  };
}

function openSubscription(node: Node, sink: StreamSink): ServerStream {
  const subscription = new Subscription(node, sink);
  return {
    take: (request) => subscription.take(request),
    endOfRequests: () => subscription.endOfRequests(),
    drained: () => subscription.resume(),
    close: () => subscription.close(),
  };
}
