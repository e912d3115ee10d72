import { constants } from 'node:buffer';
import * as fs from 'node:fs';
import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { InputError, messageOf } from '../util/errors.js';
import { readBytes } from '../util/files.js';
import type { Json } from '../util/json.js';
import { type BadLinePolicy, reportProblem } from './bad-line.js';
import { jsonFaultPosition } from './json-fault.js';
import { hasKnownField } from './record.js';
import { readLines, readTextBlocks } from './text-blocks.js';

/** A value of a data file and the place where it stands. */
export interface LocatedValue {
  readonly value: Json;
  readonly origin: string;
}

/** Rows looked at to find the column with the longest text. */
const SAMPLE_ROWS = 200;

function shortReason(error: unknown): string {
  const reason = messageOf(error).replace(/\s+/g, ' ');
  return reason.length > 120 ? `${reason.slice(0, 117)}…` : reason;
}

/** Streams a file with one JSON value a line; blank lines are passed over. */
export function* jsonLines(file: string, policy: BadLinePolicy): Generator<LocatedValue> {
  for (const { text, line } of readLines(file, policy)) {
    if (text.trim() === '') continue;
    const origin = `${file}:${line}`;
    let value: Json;
    try {
      value = JSON.parse(text) as Json;
    } catch (error) {
      reportProblem({ where: origin, summary: `not valid JSON (${shortReason(error)})` }, policy);
      continue;
    }
    yield { value, origin };
  }
}

/** The line on which a text stops being JSON. */
function faultLine(text: string): number {
  return text.slice(0, jsonFaultPosition(text)).split('\n').length;
}

function parses(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/** The values of a JSON file: the items of a list, or one object. A file of JSON lines under this name is read too. */
export function* jsonValues(file: string, policy: BadLinePolicy): Generator<LocatedValue> {
  if (fs.statSync(file).size > constants.MAX_STRING_LENGTH) {
    throw new InputError('too large for one JSON document', { where: file, hint: 'Write one record a line (.jsonl).' });
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readBytes(file));
  } catch (error) {
    if (error instanceof InputError) throw error;
    reportProblem({ where: file, summary: 'not valid UTF-8' }, policy);
    return;
  }
  let parsed: Json;
  try {
    parsed = JSON.parse(text) as Json;
  } catch (error) {
    const firstLine = text.slice(0, Math.max(0, text.indexOf('\n'))).trim();
    if (firstLine.startsWith('{') && parses(firstLine)) {
      yield* jsonLines(file, policy);
      return;
    }
    reportProblem({ where: `${file}:${faultLine(text)}`, summary: `not valid JSON (${shortReason(error)})` }, policy);
    return;
  }
  if (!Array.isArray(parsed)) {
    yield { value: parsed, origin: file };
    return;
  }
  for (const [index, value] of parsed.entries()) yield { value, origin: `${file}[${index}]` };
}

type Row = { [column: string]: string };

/** The column whose cells are longest on average. */
function longestColumn(rows: readonly Row[]): string | undefined {
  const lengths = new Map<string, number>();
  for (const row of rows) {
    for (const [column, cell] of Object.entries(row)) lengths.set(column, (lengths.get(column) ?? 0) + cell.length);
  }
  return [...lengths].sort((a, b) => b[1] - a[1])[0]?.[0];
}

function* blockTexts(file: string, policy: BadLinePolicy): Generator<string> {
  for (const block of readTextBlocks(file, policy)) yield block.text;
}

/**
 * Streams the rows of a CSV (or, by its name, TSV) file with a header as objects. Where no column has a known name, the
 * column with the longest text becomes `text`. A row with too many or too few cells is refused or left out.
 */
export async function* csvValues(file: string, policy: BadLinePolicy): AsyncGenerator<LocatedValue> {
  const parser = parse({
    columns: true,
    bom: true,
    info: true,
    skip_empty_lines: true,
    delimiter: file.toLowerCase().endsWith('.tsv') ? '\t' : ',',
    skip_records_with_error: true,
    on_skip: (error) => {
      if (error === undefined) return undefined;
      const line = (error as CsvError & { lines?: number }).lines;
      const where = line === undefined ? file : `${file}:${line}`;
      reportProblem({ where, summary: `not a valid row (${shortReason(error)})` }, policy);
      return undefined;
    },
  });
  const input = Readable.from(blockTexts(file, policy));
  input.on('error', (error) => parser.destroy(error));
  input.pipe(parser);
  let textColumn: string | undefined;
  let decided = false;
  let held: { row: Row; origin: string }[] = [];
  const locate = ({ row, origin }: { row: Row; origin: string }): LocatedValue => ({
    value: textColumn === undefined ? row : { text: row[textColumn] ?? '' },
    origin,
  });
  const decide = (): LocatedValue[] => {
    decided = true;
    const fields = Object.keys(held[0]?.row ?? {});
    if (!hasKnownField(fields)) textColumn = longestColumn(held.map(({ row }) => row));
    const ready = held.map(locate);
    held = [];
    return ready;
  };
  try {
    for await (const item of parser as AsyncIterable<{ record: Row; info: { lines: number } }>) {
      const located = { row: item.record, origin: `${file}:${item.info.lines}` };
      if (decided) {
        yield locate(located);
        continue;
      }
      held.push(located);
      if (held.length >= SAMPLE_ROWS) yield* decide();
    }
  } catch (error) {
    if (error instanceof CsvError) {
      const line = (error as CsvError & { lines?: number }).lines;
      throw new InputError(`not a valid CSV file (${shortReason(error)})`, {
        where: line === undefined ? file : `${file}:${line}`,
        cause: error,
      });
    }
    throw error;
  } finally {
    input.destroy();
    parser.destroy();
  }
  if (!decided) yield* decide();
}
