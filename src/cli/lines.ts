// A file as lines of bytes, split at \n only; holds one chunk and one line at most.
import { createReadStream } from 'node:fs';

export interface Line {
  /** Without its \n; null: longer than lineBytesMax, its bytes are gone. */
  readonly bytes: Buffer | null;
  /** How much of the file it was, \n included. */
  readonly fileBytes: number;
}

export const lineBytesMax = 1024 * 1024;

/** Some lines at a time, in order. */
export async function* readLines(file: string): AsyncGenerator<readonly Line[]> {
  const lines = new LineSplitter();
  for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 })) {
    yield lines.take(Buffer.from(chunk));
  }
  yield lines.end();
}

export class LineSplitter {
  private parts: Buffer[] = [];
  /** Of the line that has no end yet, kept or not. */
  private openBytes = 0;

  take(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      lines.push(this.line(chunk.subarray(start, end), 1));
      start = end + 1;
    }
    this.keep(chunk.subarray(start));
    return lines;
  }

  /** A last line without \n. */
  end(): Line[] {
    return this.openBytes === 0 ? [] : [this.line(Buffer.alloc(0), 0)];
  }

  private line(rest: Buffer, newlineBytes: number): Line {
    const isWhole = this.openBytes === 0;
    this.keep(rest);
    const length = isWhole ? rest.length : this.openBytes;
    const whole = isWhole ? rest : Buffer.concat(this.parts);
    this.parts = [];
    this.openBytes = 0;
    const bytes = length > lineBytesMax ? null : whole;
    return { bytes, fileBytes: length + newlineBytes };
  }

  private keep(bytes: Buffer): void {
    this.openBytes += bytes.length;
    if (this.openBytes > lineBytesMax) this.parts = [];
    else if (bytes.length > 0) this.parts.push(bytes);
  }
}
