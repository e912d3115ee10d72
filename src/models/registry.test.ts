import { describe, expect, it } from 'vitest';
import { drawNormal } from '../../test/plain-layers.js';
import type { Module } from '../nn/module.js';
import { weightsOf } from '../nn/module.js';
import type { JsonConfig } from './config-fields.js';
import { architectureOf, modelFrom } from './registry.js';
import { fileShape, type WeightSource } from './weight-places.js';

const LLAMA: JsonConfig = {
  model_type: 'llama',
  vocab_size: 7,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
};
const GPT2: JsonConfig = { model_type: 'gpt2', vocab_size: 7, n_embd: 8, n_layer: 1, n_head: 2, n_positions: 9 };
const T5: JsonConfig = { model_type: 't5', vocab_size: 7, d_model: 8, d_ff: 12, num_layers: 1, num_heads: 2, d_kv: 4 };

/** Drawn weights of a configuration with a tied head, and a head beside them. */
function sourceOf(json: JsonConfig, head: (table: Float32Array) => Float32Array): WeightSource {
  const architecture = architectureOf(json, 'config.json');
  const places = architecture.names(architecture.fromConfig(json, 'config.json'));
  const shapes = new Map<string, readonly number[]>(places.map((place) => [place.name, fileShape(place)]));
  const values = new Map(
    [...shapes].map(([name, shape], i) => [
      name,
      drawNormal(
        i,
        shape.reduce((a, b) => a * b, 1),
        1,
      ),
    ]),
  );
  const table = places[0]!.name;
  shapes.set('lm_head.weight', shapes.get(table)!);
  values.set('lm_head.weight', head(values.get(table)!));
  return { where: 'test', shapes, readFloat32: (name) => values.get(name)!.slice(), close: () => {} };
}

function load(json: JsonConfig, source: WeightSource): Module & { readonly config: { readonly tiedHead: boolean } } {
  const architecture = architectureOf(json, 'config.json');
  return modelFrom(architecture, architecture.fromConfig(json, 'config.json'), source) as never;
}

describe.each([{ ...LLAMA, tie_word_embeddings: true }, GPT2, T5])('a head that is said to be tied, %j', (json) => {
  it('is, where the file holds a copy of the table', () => {
    const model = load(
      json,
      sourceOf(json, (table) => table),
    );
    expect(model.config.tiedHead).toBe(true);
  });

  it('is its own, where the file holds another', () => {
    const source = sourceOf(json, (table) => table.map((value, i) => (i === 3 ? value + 0.5 : value)));
    const model = load(json, source);
    expect(model.config.tiedHead).toBe(false);
    const head = new Map(model.namedParameters()).get('head.weight')!;
    expect(weightsOf(head)).toEqual(source.readFloat32('lm_head.weight'));
  });
});
