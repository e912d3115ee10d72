import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = process.env.ATHANOR_DATA ?? fileURLToPath(new URL('../../shared/data', import.meta.url));

/** The absolute path of a shared test file, or undefined where this machine does not have it. */
export function sharedData(relative: string): string | undefined {
  const file = path.join(root, relative);
  return existsSync(file) ? file : undefined;
}
