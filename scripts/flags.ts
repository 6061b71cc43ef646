// Flags of a script. --help says what it does and ends it before it has done anything; a flag that it does
// not know ends it with a line that says which it has.
import { type ParseArgsConfig, parseArgs } from 'node:util';

/** What the command line says is wrong: told in one line, with exit code 2. */
export class UsageError extends Error {}

/** `usage`: what --help prints; its first line begins with the command. */
export function readFlags<T extends ParseArgsConfig>(
  usage: string,
  config: T,
): ReturnType<typeof parseArgs<T>> {
  if (process.argv.includes('--help') || process.argv.includes('-h')) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const known = ['help', ...Object.keys(config.options ?? {})].map((name) => `--${name}`);
    console.error(`${error.message}\nflags: ${known.join(', ')}`);
    process.exit(2);
  }
}
