// What the system says of processes and files: CPU time of whole process trees, bytes on disk.
import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

/** proc_pid_stat(5) counts in hundredths of a second. */
const clockTickMs = 10;

/** CPU time so far of these processes and of all that they started, those that have ended included. */
export function cpuMsOf(pids: readonly number[]): number {
  let ms = 0;
  for (const pid of pids) ms += cpuMsOfTree(pid);
  return ms;
}

function cpuMsOfTree(pid: number): number {
  let ms = 0;
  try {
    // After the name, in parentheses: utime, stime, and the same of the children waited for.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    for (let i = 11; i <= 14; i++) ms += Number(fields[i]) * clockTickMs;
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const children = readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1');
      for (const child of children.split(' ')) if (child !== '') ms += cpuMsOfTree(Number(child));
    }
  } catch {
    // It has ended: its parent has its time.
  }
  return ms;
}

/** Bytes that the files below a directory take on disk: blocks, so that holes do not count. */
export function diskBytes(directory: string): number {
  let bytes = 0;
  for (const entry of entriesOf(directory)) {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) bytes += diskBytes(file);
    else if (entry.isFile()) bytes += blocksOf(file) * 512;
  }
  return bytes;
}

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** 0 where it was removed meanwhile. */
function blocksOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.blocks ?? 0;
}
