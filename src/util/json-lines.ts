import * as fs from 'node:fs';
import { CorruptFileError } from './errors.js';
import { fileErrorReason, WriteError, writeFileAtomic } from './files.js';
import type { Json } from './json.js';

/** One line of such a file. */
export type JsonRow = { readonly [key: string]: Json };

function parseRow(line: string): JsonRow | undefined {
  try {
    const value = JSON.parse(line) as Json;
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new CorruptFileError(`cannot read: ${fileErrorReason(error)}`, { where: file, cause: error });
  }
}

/**
 * The rows of a JSON lines file that is written line by line; none where there is no file. What a crash left of a last
 * line is passed over.
 *
 * @throws {CorruptFileError} for a damaged line in the middle
 */
export function readJsonLines(file: string): JsonRow[] {
  const lines = read(file).split('\n');
  const complete = lines.pop() === '';
  const rows: JsonRow[] = [];
  for (const [i, line] of lines.entries()) {
    const row = parseRow(line);
    if (row !== undefined) rows.push(row);
    else if (i < lines.length - 1 || !complete) {
      throw new CorruptFileError('not a JSON object', { where: `${file}:${i + 1}` });
    }
  }
  return rows;
}

/** A file of JSON objects, one a line, that only grows. */
export class JsonLinesFile {
  readonly file: string;

  /** Opens the file, and cuts off the part of a line that a crash left at its end. */
  constructor(file: string) {
    this.file = file;
    const text = read(file);
    let end = text.lastIndexOf('\n') + 1;
    // The power may have gone after the length was written and before the text was.
    const lastLine = text.slice(text.lastIndexOf('\n', end - 2) + 1, end);
    if (end > 0 && parseRow(lastLine) === undefined) end -= lastLine.length;
    if (end < text.length) fs.truncateSync(file, Buffer.byteLength(text.slice(0, end)));
  }

  /** Adds a row. A row that could not be written whole leaves the file as it was. @throws {WriteError} */
  append(row: JsonRow): void {
    const before = fs.existsSync(this.file) ? fs.statSync(this.file).size : 0;
    try {
      fs.appendFileSync(this.file, `${JSON.stringify(row)}\n`);
    } catch (error) {
      try {
        fs.truncateSync(this.file, before);
      } catch {
        // Then the file cannot be put right either; the next to open it cuts the torn line.
      }
      throw new WriteError(`cannot write: ${fileErrorReason(error)}`, { where: this.file, cause: error });
    }
  }

  /** Every row. @throws {CorruptFileError} */
  rows(): JsonRow[] {
    return readJsonLines(this.file);
  }

  /** Drops the rows that do not satisfy a condition, at once. */
  keep(condition: (row: JsonRow) => boolean): void {
    const rows = this.rows();
    const kept = rows.filter(condition);
    if (kept.length < rows.length) {
      writeFileAtomic(this.file, kept.map((row) => `${JSON.stringify(row)}\n`).join(''));
    }
  }
}
