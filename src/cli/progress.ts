// How far an import is: a bar on a terminal, else a line every 5 s; on standard error.

export interface Done {
  /** Messages that are stored. */
  readonly messages: number;
  /** Bytes of the files that were taken. */
  readonly bytes: number;
}

export interface Progress {
  /** Takes the bar away. */
  end(): void;
}

const barMs = 200;
const lineMs = 5000;
const barCells = 24;

export function showProgress(bytesInAll: number, done: () => Done): Progress {
  const { stderr } = process;
  const startedMs = performance.now();
  const text = () => progressText(done(), bytesInAll, (performance.now() - startedMs) / 1000);
  const draw = stderr.isTTY
    ? () => stderr.write(`\r\x1b[K${bar(done().bytes / bytesInAll)} ${text()}`)
    : () => stderr.write(`${text()}\n`);
  const timer = setInterval(draw, stderr.isTTY ? barMs : lineMs);
  return {
    end() {
      clearInterval(timer);
      if (stderr.isTTY) stderr.write('\r\x1b[K');
    },
  };
}

/** `45%, 88,400 messages, 25,100/s, 4 s left`. */
export function progressText(done: Done, bytesInAll: number, seconds: number): string {
  const part = bytesInAll === 0 ? 1 : Math.min(1, done.bytes / bytesInAll);
  const rate = Math.round(done.messages / Math.max(seconds, 0.001));
  const left = part === 0 ? '' : `, ${timeText((seconds / part) * (1 - part))} left`;
  const count = done.messages.toLocaleString('en');
  return `${Math.floor(part * 100)}%, ${count} messages, ${rate.toLocaleString('en')}/s${left}`;
}

function timeText(seconds: number): string {
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  if (seconds < 6000) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function bar(part: number): string {
  const full = Math.round(Math.min(1, part || 0) * barCells);
  return `[${'='.repeat(full)}${' '.repeat(barCells - full)}]`;
}
