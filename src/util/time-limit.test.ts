import { describe, expect, it } from 'vitest';
import { InputError } from './errors.js';
import { withinTime } from './time-limit.js';

const late = (): string => 'takes too long';

describe('withinTime', () => {
  it('hands back what the function makes', () => {
    const list = withinTime(5000, late, () => [1, 2]);
    expect(list).toEqual([1, 2]);
    expect(list).toBeInstanceOf(Array);
    expect(withinTime(5000, late, () => withinTime(5000, late, () => 3) + 1)).toBe(4);
  });

  it('stops a regular expression that would take for ever', () => {
    const expression = /^(a+)+$/u;
    expect(() => withinTime(50, late, () => expression.test(`${'a'.repeat(64)}!`))).toThrow(
      /takes too long[\s\S]*50 ms/,
    );
    expect(() => withinTime(50, late, () => expression.test(`${'a'.repeat(64)}!`))).toThrow(InputError);
    expect(withinTime(5000, late, () => expression.test('aaa'))).toBe(true);
  });

  it('lets errors through', () => {
    const fault = new InputError('a fault');
    const fail = (): never => {
      throw fault;
    };
    expect(() => withinTime(5000, late, fail)).toThrow(fault);
  });
});
