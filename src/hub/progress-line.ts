import { Progress, type ProgressOptions } from '../util/progress.js';

/** How far a download is. */
export interface HubProgress {
  /** The file that has just grown. */
  readonly file: string;
  /** Of that file. */
  readonly fileBytes: number;
  readonly fileTotalBytes: number;
  /** Of all files that were asked for, those that were here before included. */
  readonly bytes: number;
  readonly totalBytes: number;
  /** How much was here when the download began; it does not count for the speed. */
  readonly startBytes: number;
}

/** Shows a download as a progress line with speed and time left. Nothing is printed where nothing had to come. */
export function hubProgressLine(options: Omit<ProgressOptions, 'total' | 'start' | 'unit'>): {
  /** For `fetchFromHub`. */
  readonly onProgress: (progress: HubProgress) => void;
  /** All is here. */
  finish(): void;
  /** It failed or was stopped. */
  stop(): void;
} {
  let line: Progress | undefined;
  return {
    onProgress: ({ file, bytes, totalBytes, startBytes }) => {
      if (startBytes === totalBytes) return;
      line ??= new Progress({ ...options, total: totalBytes, start: startBytes, unit: 'bytes' });
      line.update(bytes, { file });
    },
    finish: () => line?.finish({}),
    stop: () => line?.stop(),
  };
}
