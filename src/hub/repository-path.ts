import { HubError, printable } from './hub-error.js';

const MOST_PATH_BYTES = 1024;
const MOST_PART_BYTES = 255;

/** Why a path from a server's list cannot be a file below a folder, here or on Windows; undefined where it can. */
function faultOf(path: string): string | undefined {
  if (/\p{Cc}/u.test(path)) return 'control characters';
  if (path.includes('\\')) return 'a backslash';
  if (Buffer.byteLength(path) > MOST_PATH_BYTES) return 'too many characters';
  for (const part of path.split('/')) {
    if (part === '') return 'an empty part, as absolute paths have';
    if (part === '.' || part === '..') return 'a part that leaves the folder';
    if (part.includes(':')) return 'a colon, as drives have';
    if (Buffer.byteLength(part) > MOST_PART_BYTES) return 'a name that is too long';
  }
  return undefined;
}

/** Refuses a path that would lead out of the cache. @throws {HubError} */
export function checkRepositoryPath(path: string, where: string): void {
  const fault = faultOf(path);
  if (fault === undefined) return;
  throw new HubError('the server lists a file whose name is not safe to write; nothing was written', {
    where,
    expected: 'a path within the repository, with / between its parts',
    got: `${JSON.stringify(printable(path))}: ${fault}`,
  });
}
