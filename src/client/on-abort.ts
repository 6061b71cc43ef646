// One listener of each signal for all that it ends: Node warns of more than ten.

interface Heard {
  readonly calls: Set<() => void>;
  readonly tell: () => void;
}

const heardOf = new WeakMap<AbortSignal, Heard>();

/** Calls it as the signal is aborted, unless what is returned was called before. */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  const heard = heardOf.get(signal) ?? newHeard();
  const { calls, tell } = heard;
  heardOf.set(signal, heard);
  if (calls.size === 0) signal.addEventListener('abort', tell, { once: true });
  calls.add(call);
  return () => {
    if (calls.delete(call) && calls.size === 0) signal.removeEventListener('abort', tell);
  };
}

function newHeard(): Heard {
  const calls = new Set<() => void>();
  const tell = () => {
    for (const call of calls) call();
  };
  return { calls, tell };
}
