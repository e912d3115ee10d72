import type { Decoder } from '../models/architecture.js';
import { type LoweredGraph, lower } from '../onnx/lower.js';
import type { Emitter } from '../tensor/op.js';
import { maximum, sub } from '../tensor/ops/binary.js';
import { and, equal, greaterEqual, not, where } from '../tensor/ops/compare.js';
import { iota, scalar } from '../tensor/ops/create.js';
import { reshape } from '../tensor/ops/layout.js';
import { slice } from '../tensor/ops/slice.js';
import { cumulativeSum } from '../tensor/ops/sort.js';
import { addDims, type Dim, dim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { input } from '../tensor/variable.js';

/** Named results of a graph. */
export type NamedOutputs = { readonly name: string; readonly tensor: Tensor }[];

/** Vanishes in the softmax; finite, so that a place that sees nothing (padding) gives no NaN. */
const BLOCKED = -1e9;

/**
 * The mask of T new positions behind P earlier ones: integers `[B, P + T]`, 1 for a token and 0 for padding on either
 * side, → `[B, 1, T, P + T]`. A token sees the tokens up to itself.
 */
export function graphMask(attentionMask: Tensor, past: Dim, time: Dim): Tensor {
  const total = addDims(past, time);
  const columns = iota(total);
  const rows = slice(columns, 0, past, total);
  const before = greaterEqual(reshape(rows, [time, 1]), reshape(columns, [1, total]));
  const filled = equal(attentionMask, 0);
  const batch = attentionMask.shape[0]!;
  const visible = and(reshape(before, [1, 1, time, total]), not(reshape(filled, [batch, 1, 1, total])));
  return where(visible, scalar(0, 'float32'), BLOCKED);
}

/** Heads of the keys that a decoder keeps, and their width: what its own cache may fill up (`cachedHeadWidth`) is not kept. */
function headsOf(model: Decoder): { readonly heads: number; readonly width: number } {
  const {
    heads,
    width,
    headWidth = width / heads,
  } = model.config as Decoder['config'] & { readonly headWidth?: number };
  return { heads: model.cacheShape(1, 1)[1]!, width: headWidth };
}

/**
 * A decoder with its keys and values as inputs and outputs, under the names that `optimum` gives them and other programs
 * look for: `input_ids`, `attention_mask`, `position_ids`, `past_key_values.N.key`, `past_key_values.N.value` →
 * `logits` of all new positions, `present.N.key`, `present.N.value`. Rows may be padded on the left or the right.
 */
export function lowerDecoder(model: Decoder, device: Emitter['device']): LoweredGraph {
  const [batch, time, past] = [dim('batch_size'), dim('sequence_length'), dim('past_sequence_length')];
  const ids = input('input_ids', 'int64', [batch, time]);
  const attentionMask = input('attention_mask', 'int64', [batch, addDims(past, time)]);
  const positions = input('position_ids', 'int64', [batch, time]);
  const { heads, width } = headsOf(model);
  const cached = (name: string): Tensor => input(name, 'float32', [batch, heads, past, width]);
  const layers = Array.from({ length: model.config.layers }, (_, i) => ({
    keys: cached(`past_key_values.${i}.key`),
    values: cached(`past_key_values.${i}.value`),
  }));
  const mask = graphMask(attentionMask, past, time);
  const { hidden, layers: grown } = model.extend(ids, { layers, mask, positions });
  const outputs: NamedOutputs = [{ name: 'logits', tensor: model.logits(hidden) }];
  for (const [i, { keys, values }] of grown.entries()) {
    outputs.push({ name: `present.${i}.key`, tensor: keys }, { name: `present.${i}.value`, tensor: values });
  }
  return ordered(lower(outputs, device), ['input_ids', 'attention_mask', 'position_ids']);
}

/**
 * A decoder that reads whole texts and keeps nothing: `input_ids`, `attention_mask` → `logits`. Positions are counted
 * from the mask, so that rows may be padded on either side.
 */
export function lowerDecoderWithoutPast(model: Decoder, device: Emitter['device']): LoweredGraph {
  const [batch, time] = [dim('batch_size'), dim('sequence_length')];
  const ids = input('input_ids', 'int64', [batch, time]);
  const attentionMask = input('attention_mask', 'int64', [batch, time]);
  const positions = maximum(sub(cumulativeSum(attentionMask, 1), 1), 0);
  // Padding is a document of its own: it sees itself, and tokens see tokens.
  const hidden = model.hidden(ids, { positions, segments: attentionMask });
  return ordered(lower([{ name: 'logits', tensor: model.logits(hidden) }], device), ['input_ids', 'attention_mask']);
}

/** The graph with the given inputs first, in that order, as people list them. */
export function ordered(lowered: LoweredGraph, first: readonly string[]): LoweredGraph {
  const { graph } = lowered.model;
  const rank = (name: string): number => (first.includes(name) ? first.indexOf(name) : first.length);
  const inputs = graph.inputs.toSorted((a, b) => rank(a.name) - rank(b.name));
  return { ...lowered, model: { ...lowered.model, graph: { ...graph, inputs } } };
}
