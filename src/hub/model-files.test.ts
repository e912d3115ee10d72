import { describe, expect, it } from 'vitest';
import { isModelFile } from './model-files.js';

const chosen = (...all: string[]): string[] => all.filter((file) => isModelFile(file, 1000, all));

describe('the files of a model', () => {
  it('are configuration, tokenizer and weights of each family', () => {
    const llama = [
      'config.json',
      'generation_config.json',
      'tokenizer.json',
      'tokenizer_config.json',
      'tokenizer.model',
    ];
    expect(chosen(...llama, 'special_tokens_map.json', 'chat_template.jinja', 'model.safetensors')).toHaveLength(8);
    expect(chosen('vocab.json', 'merges.txt', 'vocab.txt', 'spiece.model', 'added_tokens.json')).toHaveLength(5);
    expect(chosen('modules.json', '1_Pooling/config.json', '2_Dense/model.safetensors')).toHaveLength(3);
    expect(chosen('adapter_config.json', 'adapter_model.safetensors')).toHaveLength(2);
  });

  it('are no programs, no copies for others, and no weights that run code', () => {
    const others = [
      'pytorch_model.bin',
      'tf_model.h5',
      'flax_model.msgpack',
      'rust_model.ot',
      'model.onnx',
      'onnx/model.onnx',
      'onnx/config.json',
      'model.fp16.safetensors',
      'consolidated.safetensors',
      'original/model.safetensors',
      'modeling_custom.py',
      'README.md',
      'model-q4.gguf',
      '../config.json',
      '1_Pooling/../config.json',
    ];
    expect(chosen(...others)).toEqual([]);
  });

  it('have weights once', () => {
    const shards = [
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
    ];
    expect(chosen(...shards)).toEqual(shards);
    expect(chosen(...shards, 'model.safetensors')).toEqual(['model.safetensors']);
  });

  it('have text files of a reasonable size', () => {
    expect(isModelFile('tokenizer.json', 30e6)).toBe(true);
    expect(isModelFile('tokenizer.json', 1e9)).toBe(false);
    expect(isModelFile('model.safetensors', 1e12)).toBe(true);
  });
});
