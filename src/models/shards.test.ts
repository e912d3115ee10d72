import { describe, expect, it } from 'vitest';
import type { SafetensorsTensor } from './safetensors.js';
import { sharded } from './shards.js';

const tensor = (count: number): SafetensorsTensor => ({ dtype: 'F32', shape: [count], data: new Float32Array(count) });
const content = (sizes: Record<string, number>) => ({
  files: { 'config.json': '{}' },
  tensors: { 'model.safetensors': new Map(Object.entries(sizes).map(([name, count]) => [name, tensor(count)])) },
});

describe('weights in several files', () => {
  it('are cut in their order, and the index says where each is', () => {
    const { files, tensors } = sharded(content({ b: 10, a: 5, large: 100, c: 1 }), 60);
    expect(Object.entries(tensors).map(([name, map]) => [name, [...map.keys()]])).toEqual([
      ['model-00001-of-00003.safetensors', ['b', 'a']],
      ['model-00002-of-00003.safetensors', ['large']],
      ['model-00003-of-00003.safetensors', ['c']],
    ]);
    expect(JSON.parse(files['model.safetensors.index.json'] as string)).toEqual({
      metadata: { total_size: 464 },
      weight_map: {
        a: 'model-00001-of-00003.safetensors',
        b: 'model-00001-of-00003.safetensors',
        c: 'model-00003-of-00003.safetensors',
        large: 'model-00002-of-00003.safetensors',
      },
    });
    expect(files['config.json']).toBe('{}');
  });

  it('stay in one file where they fit', () => {
    const whole = content({ a: 10, b: 5 });
    expect(sharded(whole, 60)).toEqual(whole);
  });
});
