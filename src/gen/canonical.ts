// The canonical form of an AppendCommand that came in another one: what was sent, in ascending order of
// fields and without defaults.
import { AppendCommand, type AppendCommandInput, type SetPolicy } from './proto.ts';

/** Throws where the bytes are no AppendCommand. `conversation`: takes the place of the one sent. */
export function encodeCanonical(bytes: Uint8Array, conversation?: string): Buffer {
  const { headers, setPolicy, release, reject, registerDevice, ...rest } =
    AppendCommand.decode(bytes);
  const input: AppendCommandInput = withoutDefaults(rest, ['expectedSeq', 'prevClientSeq']);
  if (conversation !== undefined) input.conversation = conversation;
  if (headers.length > 0) input.headers = headers.map((header) => withoutDefaults(header));
  if (setPolicy) {
    const optional: (keyof SetPolicy)[] = ['gapWaitMs', 'pendingTtlMs'];
    input.setPolicy = withoutDefaults(setPolicy, optional);
  }
  if (release) input.release = withoutDefaults(release);
  if (reject) input.reject = withoutDefaults(reject);
  if (registerDevice) input.registerDevice = withoutDefaults(registerDevice);
  return AppendCommand.encode(input);
}

/** Own properties only, so what was sent; `optional` ones also where they are 0. */
function withoutDefaults<T extends object>(message: T, optional: readonly (keyof T)[] = []): T {
  const kept = Object.entries(message).filter(([name, value]) => {
    return optional.includes(name as keyof T) || !isDefault(value);
  });
  return Object.fromEntries(kept) as T;
}

function isDefault(value: unknown): boolean {
  if (value === null || value === '' || value === 0 || value === false) return true;
  if (value instanceof Uint8Array) return value.length === 0;
  return typeof value === 'object' && 'low' in value && value.low === 0 && Object(value).high === 0;
}
