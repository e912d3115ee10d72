import { describe, expect, it } from 'vitest';
import { InputError } from '../util/errors.js';
import { formatHubReference, parseHubReference } from './reference.js';

describe('a reference to the Hub', () => {
  it.each([
    ['hf:HuggingFaceTB/SmolLM2-135M', 'model', 'HuggingFaceTB', 'SmolLM2-135M', 'main'],
    ['hf:gpt2', 'model', undefined, 'gpt2', 'main'],
    ['hf:a/b@v1.0', 'model', 'a', 'b', 'v1.0'],
    ['hf:a/b@refs/pr/12', 'model', 'a', 'b', 'refs/pr/12'],
    ['hf:datasets/roneneldan/TinyStories@main', 'dataset', 'roneneldan', 'TinyStories', 'main'],
    ['hf:datasets/squad', 'dataset', undefined, 'squad', 'main'],
  ])('%s', (text, kind, owner, name, revision) => {
    const reference = parseHubReference(text)!;
    expect(reference).toEqual({ kind, owner, name, revision });
    expect(formatHubReference(reference)).toBe(text.replace(/@main$/, ''));
  });

  it.each([
    ['hf:bartowski/SmolLM2-135M-GGUF/SmolLM2-135M-Q4_0.gguf', 'SmolLM2-135M-Q4_0.gguf', 'main'],
    ['hf:a/b/Q8_0/c-v1.2.gguf@v1', 'Q8_0/c-v1.2.gguf', 'v1'],
  ])('%s is a file', (text, file, revision) => {
    const reference = parseHubReference(text)!;
    expect(reference).toMatchObject({ kind: 'model', file, revision });
    expect(formatHubReference(reference)).toBe(text);
  });

  it.each(['', 'runs/a', './hf:a', 'HF:a/b', 'npm:x'])('%j is none', (text) => {
    expect(parseHubReference(text)).toBeUndefined();
  });

  it.each([
    'hf:',
    'hf:/',
    'hf:a/',
    'hf:/b',
    'hf://a/b',
    'hf:a/b/c',
    'hf:a/b/c.bin',
    'hf:a/b/../c.gguf',
    'hf:a/b//c.gguf',
    'hf:a/b/.c.gguf',
    'hf:datasets/a/b/c.gguf',
    'hf:spaces/a/b',
    'hf:../b',
    'hf:a/..',
    'hf:a/.b',
    'hf:a/b--c',
    'hf:a/b.git',
    'hf:a/b c',
    'hf:a\\b',
    'hf:a/b@',
    'hf:a/b@../x',
    'hf:a/b@/x',
    'hf:a/b@x/',
    'hf:a/b@a..b',
    'hf:a/b@.x',
    'hf:a/b@x y',
    'hf:a/b@x\0',
    'hf:a/b@C:x',
    'hf:a/b@x\\y',
    `hf:a/${'b'.repeat(96)}`,
    `hf:a/b@${'x'.repeat(201)}`,
  ])('%j is refused', (text) => {
    expect(() => parseHubReference(text)).toThrow(InputError);
  });
});
