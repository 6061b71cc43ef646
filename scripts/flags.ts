// Flags of a script; one that it does not know ends it with a line that says which it has.
import { type ParseArgsConfig, parseArgs } from 'node:util';

export function readFlags<T extends ParseArgsConfig>(
  script: string,
  config: T,
): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const known = Object.keys(config.options ?? {}).map((name) => `--${name}`);
    console.error(`${script}: ${error.message}\nflags: ${known.join(', ')}`);
    process.exit(2);
  }
}
