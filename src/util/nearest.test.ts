import { describe, expect, it } from 'vitest';
import { editDistance, nearestName } from './nearest.js';

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['forge', 'froge', 1],
    ['steps', 'step', 1],
    ['a', 'b', 1],
  ])('%s to %s is %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });
});

describe('nearestName', () => {
  it('finds the closest name, whatever its case and separators', () => {
    expect(nearestName('learning_rate', ['steps', 'learningRate', 'seed'])).toBe('learningRate');
    expect(nearestName('pretrian', ['sft', 'pretrain', 'plan'])).toBe('pretrain');
    expect(nearestName('x', [])).toBeUndefined();
  });

  it('does not stall on a very long name', () => {
    expect(nearestName('a'.repeat(1_000_000), ['steps'])).toBe('steps');
  });
});
