import { type Context, createContext, Script } from 'node:vm';
import { InputError } from './errors.js';

let context: Context | undefined;
const script = new Script('task()');

/**
 * Runs a function that could take for ever, such as a stranger's regular expression, and stops it after some time. It
 * costs a thread that watches: some 0.1 ms.
 *
 * @param describe the error's message.
 * @throws {InputError} after that time. @throws whatever the function throws.
 */
export function withinTime<T>(milliseconds: number, describe: () => string, task: () => T): T {
  context ??= createContext({ task: undefined });
  const outer: unknown = context.task;
  context.task = task;
  try {
    return script.runInContext(context, { timeout: Math.ceil(milliseconds) }) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException | null)?.code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    throw new InputError(describe(), { got: `more than ${Math.ceil(milliseconds)} ms`, cause: error });
  } finally {
    context.task = outer;
  }
}
