import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { WriteError, writeFileAtomic, writeFolderAtomic } from './files.js';

describe('writing', () => {
  // Where folders are refused with ENOENT, mkdirSync with `recursive` tries again for ever.
  it.skipIf(!existsSync('/proc/self'))('fails where the system makes no folders', async () => {
    expect(() => writeFileAtomic('/proc/athanor/deep/file', 'text')).toThrow(WriteError);
    await expect(writeFolderAtomic('/proc/athanor', () => {})).rejects.toThrow(WriteError);
  });
});
