import * as fs from 'node:fs';
import * as path from 'node:path';
import { InputError } from '../util/errors.js';
import { fileErrorReason } from '../util/files.js';

/** What an export to a folder leaves there, by which it is known again. */
const MODEL_FILE = 'config.json';

/**
 * Makes sure that writing to a place destroys nothing: it must not be there, or be empty. With `force` a file is replaced,
 * and a folder if it holds a model and not the place that one works in.
 *
 * @throws {InputError}
 */
export function checkTarget(
  target: string,
  { isFile, force }: { readonly isFile: boolean; readonly force: boolean },
): void {
  const found = statusOf(target);
  if (found === undefined) return;
  if (found.isDirectory() === isFile) {
    throw new InputError(isFile ? 'this is a folder' : 'this is a file', {
      where: target,
      expected: isFile ? 'the name of a file' : 'the name of a folder',
    });
  }
  if (!isFile && fs.readdirSync(target).length === 0) return;
  if (!force) {
    throw new InputError(isFile ? 'the file is there already' : 'the folder is not empty', {
      where: target,
      hint: 'Choose another place, or say --force to replace it.',
    });
  }
  if (isFile) return;
  if (!fs.existsSync(path.join(target, MODEL_FILE)) || isAround(target, process.cwd())) {
    throw new InputError('this folder is not replaced: all that is in it would be lost', {
      where: target,
      expected: `a folder with a model (${MODEL_FILE}), other than the one that you are in`,
      hint: 'Choose another place.',
    });
  }
}

function statusOf(target: string): fs.Stats | undefined {
  try {
    return fs.statSync(target, { throwIfNoEntry: false });
  } catch (error) {
    throw new InputError(`cannot write: ${fileErrorReason(error)}`, { where: target, cause: error });
  }
}

/** Whether a folder is another, or around it. */
function isAround(folder: string, inner: string): boolean {
  const within = path.relative(fs.realpathSync(folder), fs.realpathSync(inner));
  return within === '' || (!within.startsWith('..') && !path.isAbsolute(within));
}
