import { describe, expect, it } from 'vitest';
import { waitOf } from './refusal.js';

const now = Date.parse('2026-01-01T00:00:00Z');

describe('how long a server asks to wait', () => {
  it.each<[string, string, number | undefined]>([
    ['Retry-After', '7', 7000],
    ['Retry-After', 'Thu, 01 Jan 2026 00:01:00 GMT', 60_000],
    ['Retry-After', 'Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['Retry-After', 'soon', undefined],
    ['RateLimit', '"api";r=0;t=55', 55_000],
    ['X-Other', '7', undefined],
  ])('%s: %s', (name, value, expected) => {
    expect(waitOf(new Headers({ [name]: value }), now)).toBe(expected);
  });
});
