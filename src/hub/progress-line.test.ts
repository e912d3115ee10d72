import { expect, it } from 'vitest';
import { hubProgressLine } from './progress-line.js';

it('shows what was here, what has come and the time left', () => {
  let clock = 0;
  const lines: string[] = [];
  const stream = { write: (text: string) => lines.push(text) };
  const line = hubProgressLine({ label: 'fetching', stream, intervalMs: 0, now: () => clock });
  const file = { file: 'model.safetensors', fileBytes: 0, fileTotalBytes: 0, totalBytes: 10e6, startBytes: 4e6 };
  line.onProgress({ ...file, bytes: 4e6 });
  clock = 1000;
  line.onProgress({ ...file, bytes: 6e6 });
  expect(lines.at(-1)).toMatch(/^fetching 60% 6\.0 M\/10 M · .*file model\.safetensors.* 2\.0 s left\n$/);
  line.finish();
  line.stop();
  const quiet = hubProgressLine({ label: 'fetching', stream });
  const before = lines.length;
  quiet.onProgress({ ...file, startBytes: 10e6, bytes: 10e6 });
  quiet.finish();
  expect(lines.length).toBe(before);
});
