import { describe, expect, it } from 'vitest';
import { AthanorError, CorruptFileError, InputError, inFile } from './errors.js';

describe('the message of an error', () => {
  it('has the place, what was expected, what came, and a way out', () => {
    const error = new InputError('is wrong', { where: 'a:1', expected: 'x', got: 'y', hint: 'Do z.' });
    expect(error.message).toBe('a:1: is wrong\n  expected: x\n  got:      y\n  Do z.');
    expect(error.name).toBe('InputError');
  });

  it('quotes no file at length, and steers no terminal', () => {
    const error = new AthanorError('\u001b[2Ja\u0007\u202eb\tc\nd', { where: 'w'.repeat(1e6), got: 'g'.repeat(1e6) });
    expect(error.message.length).toBeLessThan(5000);
    expect(error.message).toContain('\\u001b[2Ja\\u0007\\u202eb\tc\nd');
    expect(error.message).toContain(`${'g'.repeat(2000)}…`);
  });
});

describe('inFile', () => {
  const raising = (error: Error) => (): string =>
    inFile('a.gguf', 'not usable', () => {
      throw error;
    });

  it('names the file where the error does not', () => {
    expect(inFile('a.gguf', 'not usable', () => 'x')).toBe('x');
    expect(raising(new InputError('is bad', { where: 'merge 0' }))).toThrow(/^a\.gguf: not usable: merge 0: is bad/);
    const named = new CorruptFileError('is bad', { where: 'a.gguf' });
    expect(raising(named)).toThrow(named);
    const strange = new TypeError('x is not a function');
    expect(raising(strange)).toThrow(strange);
  });
});
