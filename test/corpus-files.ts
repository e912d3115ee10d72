import * as fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Files, Reader } from './readers.js';

const ROOT = fileURLToPath(new URL('./corpus/', import.meta.url));

/** A damaged file, or folder of files, that is kept. */
export interface CorpusCase {
  /** What is wrong with it. */
  readonly name: string;
  readonly files: Files;
}

/** The cases of a reader, in order of their names. */
export function corpusOf(name: string, reader: Reader): CorpusCase[] {
  const folder = path.join(ROOT, name);
  const entries = fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [];
  return entries.map((entry) => {
    const place = path.join(folder, entry);
    const files = reader.file === undefined ? filesIn(place) : { [reader.file]: fs.readFileSync(place) };
    return { name: reader.file === undefined ? entry : entry.slice(0, -path.extname(reader.file).length), files };
  });
}

function filesIn(folder: string): Files {
  const names = fs.readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    names.map((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      return [path.relative(folder, file), fs.readFileSync(file)];
    }),
  );
}
