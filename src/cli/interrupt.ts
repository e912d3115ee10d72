/** The exit code of a command that stopped because it was asked to. */
export const INTERRUPTED_EXIT_CODE = 130;

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

let controller: AbortController | undefined;

function onSignal(signal: NodeJS.Signals): void {
  if (requestStop()) {
    process.stderr.write('\nStopping after this step and saving. Press Ctrl-C again to stop at once.\n');
    return;
  }
  for (const name of SIGNALS) process.removeAllListeners(name);
  process.kill(process.pid, signal);
}

/**
 * A signal that is aborted when the user presses Ctrl-C (or the system sends SIGTERM): the command finishes its step,
 * saves, and the program ends with exit code 130. A second Ctrl-C ends the program at once. Commands that never call
 * this end at the first.
 */
export function onInterrupt(): AbortSignal {
  if (controller === undefined) {
    controller = new AbortController();
    for (const name of SIGNALS) process.on(name, onSignal);
  }
  return controller.signal;
}

/** Asks the running command to stop. @returns false where no command listens, or it was asked before. */
export function requestStop(): boolean {
  if (controller === undefined || controller.signal.aborted) return false;
  controller.abort();
  return true;
}

/** Whether the command was asked to stop. */
export function wasInterrupted(): boolean {
  return controller?.signal.aborted ?? false;
}

/** Gives Ctrl-C back its ordinary meaning. */
export function releaseInterrupt(): void {
  for (const name of SIGNALS) process.removeListener(name, onSignal);
  controller = undefined;
}
