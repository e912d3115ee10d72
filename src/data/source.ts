import path from 'node:path';
import { InputError } from '../util/errors.js';
import { type BadLinePolicy, type DataProblem, reportProblem } from './bad-line.js';
import { type DataFile, dataFilesOf, dataFormat, packageFilesOf, statusOf } from './data-files.js';
import type { ChatRecord, Document } from './document.js';
import { fetchNpmPackage } from './npm-package.js';
import { readRecord } from './record.js';
import { csvValues, jsonLines, jsonValues, type LocatedValue } from './record-files.js';
import { textDocuments } from './text-documents.js';

/** Options of `openSource`. */
export interface SourceOptions {
  /** What to do with a bad line; `refuse` (the default) stops with an error that names `file:line`. */
  readonly onBadLine?: 'refuse' | 'skip';
  /** Told of everything that is left out. */
  readonly onSkip?: (problem: DataProblem) => void;
  /** Where npm packages are kept; `$ATHANOR_CACHE/npm` or `~/.cache/athanor/npm` by default. */
  readonly cacheFolder?: string;
}

/** Text and chats to learn from. Both can be read any number of times, always in the same order. */
export interface DataSource {
  readonly kind: 'text' | 'folder' | 'jsonl' | 'json' | 'csv' | 'npm';
  /** Size of the files, in bytes. */
  readonly bytes: number;
  /** Every text; a chat counts as the text of its messages. */
  documents(): AsyncIterable<Document>;
  /** The chats alone. */
  chats(): AsyncIterable<ChatRecord>;
}

function valuesOf(
  { file, format }: DataFile,
  policy: BadLinePolicy,
): Iterable<LocatedValue> | AsyncIterable<LocatedValue> {
  if (format === 'jsonl') return jsonLines(file, policy);
  return format === 'json' ? jsonValues(file, policy) : csvValues(file, policy);
}

class FileSource implements DataSource {
  readonly bytes: number;

  constructor(
    readonly kind: DataSource['kind'],
    private readonly files: readonly DataFile[],
    private readonly policy: BadLinePolicy,
  ) {
    this.bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  }

  async *documents(): AsyncGenerator<Document> {
    for (const file of this.files) {
      if (file.format === 'text') {
        yield* textDocuments(file.file, this.policy);
        continue;
      }
      for await (const { record, origin } of this.records(file)) {
        for (const text of record.texts) yield { text, origin };
      }
    }
  }

  async *chats(): AsyncGenerator<ChatRecord> {
    for (const file of this.files) {
      if (file.format === 'text') continue;
      for await (const { record, origin } of this.records(file)) {
        if (record.chat !== undefined) yield { messages: record.chat, origin };
      }
    }
  }

  private async *records(
    file: DataFile,
  ): AsyncGenerator<{ record: Extract<ReturnType<typeof readRecord>, { texts: unknown }>; origin: string }> {
    // A folder may hold records that are no texts beside those that are: named once a file, and left out.
    const several = this.kind === 'folder' || this.kind === 'npm';
    let foreignSeen = false;
    for await (const { value, origin } of valuesOf(file, this.policy)) {
      const record = readRecord(value);
      if ('texts' in record) {
        yield { record, origin };
      } else if (!(several && record.foreign)) {
        reportProblem({ where: origin, summary: record.problem }, this.policy);
      } else if (!foreignSeen) {
        foreignSeen = true;
        this.policy.onSkip({ where: origin, summary: record.problem });
      }
    }
  }
}

/**
 * Opens data to learn from: a text file, a folder (read in the order of its paths), `.jsonl`, `.json`, `.csv`, or
 * `npm:NAME[@version]`, whose tarball comes from the registry into a cache (nothing is installed, nothing of it runs).
 * Reading is streamed; only a `.json` file is held in memory as a whole.
 *
 * @throws {InputError} if there is no such place, or nothing in it that could be data.
 */
export async function openSource(spec: string, options: SourceOptions = {}): Promise<DataSource> {
  const policy: BadLinePolicy = {
    onBadLine: options.onBadLine ?? 'refuse',
    onSkip: options.onSkip ?? (() => undefined),
  };
  if (spec.trim() === '') {
    throw new InputError('no data source given', { expected: 'a file, a folder, or npm:NAME' });
  }
  if (spec.startsWith('npm:')) {
    const folder = await fetchNpmPackage(spec.slice('npm:'.length), {
      ...(options.cacheFolder === undefined ? {} : { cacheFolder: options.cacheFolder }),
    });
    const files = packageFilesOf(folder);
    if (files.length === 0) throw new InputError('the package holds no text', { where: spec });
    return new FileSource('npm', files, policy);
  }
  const target = path.normalize(spec);
  const status = statusOf(target);
  if (status.isDirectory()) {
    const files = dataFilesOf(target);
    if (files.length === 0) throw new InputError('the folder holds no text files', { where: target });
    return new FileSource('folder', files, policy);
  }
  if (status.size === 0 && status.isFile()) throw new InputError('the file is empty', { where: target });
  const format = dataFormat(target);
  return new FileSource(format, [{ file: target, format, bytes: status.size }], policy);
}
