// Modules of dist/, as users run them: what tsx loads names its inner functions at every call, at a cost
// that no user has.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkBuild, dist } from '../harness/node-process.ts';

/** `file` is relative to dist/; its type is that of the same file in src/. */
export function built(file: string) {
  checkBuild();
  return import(pathToFileURL(path.join(dist, file)).href);
}
