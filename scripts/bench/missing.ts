// Peers that are not installed: one line that says what to install, or the installation itself.
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { findBinary } from './processes.ts';
import type { Subject } from './subjects/subject.ts';

/** Debian asks it before a package may start its service; 101 = no. */
const policy = '/usr/sbin/policy-rc.d';

/** One line that says what to install; null: nothing. */
export function whatIsMissing({ name, needs }: Subject, install: boolean): string | null {
  if (needs === undefined) return null;
  const isThere = () => needs.binaries.some((binary) => findBinary(binary) !== null);
  if (!isThere() && install) installPackage(needs.debianPackage);
  if (isThere()) return null;
  return `${name} is not installed, and left out: apt-get install ${needs.debianPackage}`;
}

/** The services that packages bring are not started. */
function installPackage(name: string): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args: string[]) => execFileSync('apt-get', args, { env, stdio: 'ignore' });
  const isOurs = !existsSync(policy);
  try {
    if (isOurs) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    apt('update');
    apt('install', '-y', '--no-install-recommends', name);
  } catch (error) {
    console.error(`apt-get install ${name}: ${String(error)}`);
  } finally {
    if (isOurs) rmSync(policy, { force: true });
  }
}
