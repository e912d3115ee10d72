import { isUtf8 } from 'node:buffer';
import * as fs from 'node:fs';
import path from 'node:path';
import { InputError } from '../util/errors.js';
import { fileErrorReason } from '../util/files.js';

/** How the content of a data file is laid out. */
export type DataFormat = 'text' | 'jsonl' | 'json' | 'csv';

/** A file to read data from. */
export interface DataFile {
  readonly file: string;
  readonly format: DataFormat;
  readonly bytes: number;
}

const FORMATS: { readonly [extension: string]: DataFormat } = {
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.json': 'json',
  '.csv': 'csv',
  '.tsv': 'csv',
};
/** Files of a folder that describe it and are no data. */
const NOT_DATA = /^(package(-lock)?\.json|tsconfig.*\.json|(licen[cs]e|copying|notice|readme|changelog)(\..*)?)$/i;
/** Files of an npm package that are programs; read only where it has nothing else. */
const CODE = /\.(?:[cm]?[jt]sx?|map|css|html?|sh|ya?ml)$/i;
const PROBE_BYTES = 4096;

/** The layout that a file's name tells; anything unknown is plain text. */
export function dataFormat(file: string): DataFormat {
  return FORMATS[path.extname(file).toLowerCase()] ?? 'text';
}

/** True if the first bytes of a file look like UTF-8 text. */
function looksLikeText(file: string): boolean {
  let handle: number;
  try {
    handle = fs.openSync(file, 'r');
  } catch (error) {
    throw new InputError(`cannot read: ${fileErrorReason(error)}`, { where: file, cause: error });
  }
  try {
    const bytes = Buffer.alloc(PROBE_BYTES);
    const length = fs.readSync(handle, bytes, 0, PROBE_BYTES, 0);
    const start = bytes.subarray(0, length);
    if (start.includes(0)) return false;
    // A character may be cut at the end of the probe.
    return [0, 1, 2, 3].some((cut) => isUtf8(start.subarray(0, Math.max(0, length - cut))));
  } finally {
    fs.closeSync(handle);
  }
}

/** The status of a path. @throws {InputError} if it does not exist or may not be looked at. */
export function statusOf(target: string): fs.Stats {
  try {
    return fs.statSync(target);
  } catch (error) {
    throw new InputError(`cannot read: ${fileErrorReason(error)}`, { where: target, cause: error });
  }
}

function listFolder(folder: string): fs.Dirent[] {
  try {
    return fs.readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw new InputError(`cannot read: ${fileErrorReason(error)}`, { where: folder, cause: error });
  }
}

/**
 * The data files of a folder and the folders in it, in the order of their paths (by code unit, the same on every
 * machine): records by their extension, everything else that looks like text. Hidden files, node_modules, licences and
 * read-me files are left out; linked folders are not followed.
 */
export function dataFilesOf(root: string): DataFile[] {
  const found: DataFile[] = [];
  const visit = (folder: string): void => {
    for (const entry of listFolder(folder)) {
      const file = path.join(folder, entry.name);
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
      if (entry.isDirectory()) {
        visit(file);
        continue;
      }
      if (NOT_DATA.test(entry.name) || !(entry.isFile() || entry.isSymbolicLink())) continue;
      const status = statusOf(file);
      if (!status.isFile() || status.size === 0) continue;
      const format = dataFormat(file);
      if (format === 'text' && !looksLikeText(file)) continue;
      found.push({ file, format, bytes: status.size });
    }
  };
  visit(root);
  return found.sort((a, b) => (a.file < b.file ? -1 : 1));
}

/** The data files of an npm package: its programs count only where there is nothing else. */
export function packageFilesOf(root: string): DataFile[] {
  const files = dataFilesOf(root);
  const data = files.filter(({ file }) => !CODE.test(file));
  return data.length > 0 ? data : files;
}
