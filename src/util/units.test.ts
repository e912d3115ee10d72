import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatDuration, formatNumber, formatPercent, formatRate } from './units.js';

describe('units', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [732_400_000, '732 MB'],
    [999_600_000, '1.0 GB'],
    [5_412_000_000, '5.4 GB'],
    [9_960, '10 kB'],
    [Number.NaN, '–'],
  ])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [512, '512'],
    [2.5, '2.5'],
    [0.126, '0.13'],
    [9_400, '9.4 k'],
    [999_950, '1.0 M'],
    [1_310_000, '1.3 M'],
    [-1_310_000, '-1.3 M'],
    [-0.001, '0'],
  ])('a count of %d is %s', (count, text) => expect(formatCount(count)).toBe(text));

  it.each([
    [0, '0 s'],
    [0.0125, '12.5 ms'],
    [0.42, '420 ms'],
    [0.9996, '1.0 s'],
    [8.34, '8.3 s'],
    [59.6, '1 min 00 s'],
    [192, '3 min 12 s'],
    [3599.7, '1 h 00 min'],
    [3725, '1 h 02 min'],
    [90_000, '1 d 01 h'],
    [Number.POSITIVE_INFINITY, '–'],
  ])('%d seconds are %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

  it('formats rates, shares and plain numbers', () => {
    expect(formatRate(9_412, 'tokens')).toBe('9.4 k tokens/s');
    expect(formatPercent(0.8344)).toBe('83.4%');
    expect(formatPercent(1, 0)).toBe('100%');
    expect(formatPercent(Number.NaN)).toBe('–');
    expect([0.03123, 2.34567, 41.23, 1234.5, 7, 0, 0.0000321].map(formatNumber)).toEqual([
      '0.0312',
      '2.346',
      '41.2',
      '1,235',
      '7',
      '0',
      '3.21e-5',
    ]);
  });
});
