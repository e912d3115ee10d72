import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const repositoryRoot: string = fileURLToPath(new URL('..', import.meta.url));

/** Every file under a folder of the repository that has one of the endings, as paths from the root with `/`. */
export function filesUnder(folder: string, ...endings: string[]): string[] {
  let entries: ReturnType<typeof readEntries>;
  try {
    entries = readEntries(path.join(repositoryRoot, folder));
  } catch {
    return [];
  }
  return entries
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => path.relative(repositoryRoot, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, '/'))
    .filter((file) => !file.includes('node_modules/'))
    .sort();
}

function readEntries(folder: string) {
  return readdirSync(folder, { recursive: true, withFileTypes: true });
}

/** The text of a file of the repository. */
export function sourceOf(file: string): string {
  return readFileSync(path.join(repositoryRoot, file), 'utf8');
}
