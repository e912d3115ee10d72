import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonFaultPosition } from './json-fault.js';

describe('jsonFaultPosition', () => {
  it.each([
    ['[\n"a",\n}', 7],
    ['{"a": 1,}', 8],
    ['{"a" 1}', 5],
    ['[1, 2', 5],
    ['["a\nb"]', 1],
    ['[tru]', 1],
    ['1 2', 2],
    ['', 0],
    ['[1,,2]', 3],
    ['{"a": [1}]', 8],
  ])('%j: %i', (text, position) => {
    expect(() => JSON.parse(text)).toThrow();
    expect(jsonFaultPosition(text)).toBe(position);
  });

  it('passes over all that is JSON, and stops at what is put into it', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(jsonFaultPosition(text)).toBe(text.trimEnd().length);
        expect(jsonFaultPosition(`[${text} ? ]`)).toBe(text.length + 2);
      }),
    );
  });
});
