let last: Promise<unknown> = Promise.resolve();

/**
 * Runs tasks one after another in the order of the calls. Programs share variables, and ONNX Runtime computes on this
 * thread anyway: without turns, two calls that overlap would both read a weight before either had updated it.
 */
export function inTurn<T>(task: () => Promise<T>): Promise<T> {
  const next = last.then(task);
  // A failure is the business of whoever called; the next task runs all the same.
  last = next.then(
    () => undefined,
    () => undefined,
  );
  return next;
}
