import type { Encoder } from '../models/architecture.js';
import type { Bert } from '../models/bert.js';
import type { EncoderDecoder } from '../models/encoder-decoder.js';
import type { KeysAndValues } from '../nn/attention.js';
import { type LoweredGraph, lower } from '../onnx/lower.js';
import type { Emitter } from '../tensor/op.js';
import { concat, slice } from '../tensor/ops/slice.js';
import { type Dim, dim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { input } from '../tensor/variable.js';
import { type NamedOutputs, ordered } from './onnx-decoder.js';

/** Whether an encoder ends in something that gives logits. */
export function hasHead(model: Encoder): model is Encoder & Pick<Bert, 'logits'> {
  return 'logits' in model && (model.config as { readonly head?: string }).head !== 'none';
}

/**
 * An encoder: `input_ids`, `attention_mask`, `token_type_ids` → `last_hidden_state`, or `logits` where the model has a head
 * (words in place of masks, classes).
 */
export function lowerEncoder(model: Encoder, device: Emitter['device']): LoweredGraph {
  const shape = [dim('batch_size'), dim('sequence_length')];
  const [ids, mask, types] = ['input_ids', 'attention_mask', 'token_type_ids'].map((name) =>
    input(name, 'int64', shape),
  ) as [Tensor, Tensor, Tensor];
  const hidden = model.hidden({ ids, mask, types });
  const outputs: NamedOutputs = hasHead(model)
    ? [{ name: 'logits', tensor: model.logits(hidden) }]
    : [{ name: 'last_hidden_state', tensor: hidden }];
  return ordered(lower(outputs, device), ['input_ids', 'attention_mask', 'token_type_ids']);
}

/** The half that reads: `input_ids`, `attention_mask` → `last_hidden_state`. */
export function lowerReadingHalf(model: EncoderDecoder, device: Emitter['device']): LoweredGraph {
  const shape = [dim('batch_size'), dim('encoder_sequence_length')];
  const ids = input('input_ids', 'int64', shape);
  const mask = input('attention_mask', 'int64', shape);
  const outputs = [{ name: 'last_hidden_state', tensor: model.encode({ ids, mask }) }];
  return ordered(lower(outputs, device), ['input_ids', 'attention_mask']);
}

/**
 * The half that writes, first step and later ones in one graph: `encoder_attention_mask`, `input_ids`,
 * `encoder_hidden_states`, `past_key_values.N.{decoder,encoder}.{key,value}` → `logits`, `present.N.…`.
 *
 * Other exporters join two graphs by an `If` and an input that says which one is meant. Here one graph does for both: the
 * memory's keys and values are computed for what the past does not hold of it yet, which is all of it at the first step
 * and nothing afterwards.
 */
export function lowerWritingHalf(model: EncoderDecoder, device: Emitter['device']): LoweredGraph {
  const [batch, time, past] = [dim('batch_size'), dim('decoder_sequence_length'), dim('past_decoder_sequence_length')];
  const [length, known] = [dim('encoder_sequence_length'), dim('encoder_sequence_length_out')];
  const mask = input('encoder_attention_mask', 'int64', [batch, length]);
  const ids = input('input_ids', 'int64', [batch, time]);
  const hiddenStates = input('encoder_hidden_states', 'float32', [batch, length, model.config.width]);
  const pastOf = (i: number, part: string, positions: Dim): KeysAndValues => {
    const [keys, values] = ['key', 'value'].map((name) =>
      input(`past_key_values.${i}.${part}.${name}`, 'float32', model.keyShape(batch, positions)),
    ) as [Tensor, Tensor];
    return { keys, values };
  };
  const indices = Array.from({ length: model.config.decoderLayers }, (_, i) => i);
  const own = indices.map((i) => pastOf(i, 'decoder', past));
  const read = indices.map((i) => pastOf(i, 'encoder', known));
  const fresh = model.remember({ hidden: slice(hiddenStates, 1, known, length) });
  const memory = indices.map((i) => ({
    keys: concat([read[i]!.keys, fresh.layers[i]!.keys], 2),
    values: concat([read[i]!.values, fresh.layers[i]!.values], 2),
  }));
  const { hidden, layers } = model.extend(ids, { layers: own, memory: { layers: memory, mask } });
  const outputs: NamedOutputs = [{ name: 'logits', tensor: model.logits(hidden) }];
  for (const i of indices) {
    outputs.push(
      { name: `present.${i}.decoder.key`, tensor: layers[i]!.keys },
      { name: `present.${i}.decoder.value`, tensor: layers[i]!.values },
      { name: `present.${i}.encoder.key`, tensor: memory[i]!.keys },
      { name: `present.${i}.encoder.value`, tensor: memory[i]!.values },
    );
  }
  const lowered = ordered(lower(outputs, device), ['encoder_attention_mask', 'input_ids', 'encoder_hidden_states']);
  return withEmptyReshapes(lowered);
}

/** At later steps nothing of the memory is left to compute: a size of 0 in a shape then means just that. */
function withEmptyReshapes(lowered: LoweredGraph): LoweredGraph {
  const { graph } = lowered.model;
  const constants = new Set(graph.initializers.map(({ name }) => name));
  const nodes = graph.nodes.map((node) =>
    node.op === 'Reshape' && !constants.has(node.inputs[1]!)
      ? { ...node, attributes: { ...node.attributes, allowzero: { kind: 'int', value: 1 } as const } }
      : node,
  );
  return { ...lowered, model: { ...lowered.model, graph: { ...graph, nodes } } };
}
