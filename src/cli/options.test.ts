import { describe, expect, it } from 'vitest';
import { realNumber, repeated, wholeNumber } from './options.js';

describe('wholeNumber', () => {
  it.each([
    ['3', 3],
    ['1e3', 1000],
    ['1_000', 1000],
    ['-2', -2],
  ])('reads %s', (text, value) => {
    expect(wholeNumber()(text)).toBe(value);
  });

  it.each(['', ' ', '1.5', 'x', 'NaN', 'Infinity', '1e300', '5 steps'])('refuses "%s"', (text) => {
    expect(() => wholeNumber()(text)).toThrow('Not a whole number.');
  });

  it('keeps to its range', () => {
    expect(() => wholeNumber({ min: 1, max: 9 })('0')).toThrow('0 is less than 1.');
    expect(() => wholeNumber({ min: 1, max: 9 })('10')).toThrow('10 is more than 9.');
    expect(wholeNumber({ min: 1, max: 9 })('9')).toBe(9);
  });
});

describe('realNumber', () => {
  it('reads numbers in its range', () => {
    expect(realNumber()('3e-4')).toBe(3e-4);
    expect(() => realNumber({ min: 0 })('-0.1')).toThrow('less than 0');
    for (const text of ['', 'NaN', 'Infinity', '1,5']) expect(() => realNumber()(text)).toThrow('Not a number.');
  });
});

it('repeated options are collected in order', () => {
  expect(repeated('b', repeated('a'))).toEqual(['a', 'b']);
});
