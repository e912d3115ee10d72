import { EncoderDecoderEngine } from '../../src/generate/encoder-decoder-engine.js';
import { GenerationEngine } from '../../src/generate/engine.js';
import type { Decoder, EncoderInputs } from '../../src/models/architecture.js';
import { Bert } from '../../src/models/bert.js';
import type { EncoderDecoder } from '../../src/models/encoder-decoder.js';
import type { AnyModel, LoadedModel } from '../../src/models/load.js';
import { enterPart, fileShape } from '../../src/models/weight-places.js';
import { weightsOf } from '../../src/nn/module.js';
import { array } from '../../src/runtime/array.js';
import { compile } from '../../src/runtime/compile.js';
import { cpu } from '../../src/runtime/device.js';
import { grad } from '../../src/tensor/grad.js';
import { add } from '../../src/tensor/ops/binary.js';
import { mean } from '../../src/tensor/ops/reduce.js';
import { square } from '../../src/tensor/ops/unary.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import type { HostArray } from '../../src/tensor/variable.js';
import { Random } from '../../src/util/random.js';

const device = cpu({ threads: 1 });

/** Integers by the names of the reference. */
export function inputsOf({ model, architecture }: LoadedModel<AnyModel>, seed: string): Record<string, HostArray> {
  const random = new Random(1, seed);
  const { vocabularySize } = model.config;
  const draw = (rows: number, width: number, isThere = (_row: number, _column: number) => true): HostArray => {
    const cells = Int32Array.from({ length: rows * width }, (_, i) =>
      isThere(Math.floor(i / width), i % width) ? random.integer(vocabularySize) : 0,
    );
    return array(cells, [rows, width]);
  };
  if (architecture.kind === 'decoder') return { input_ids: draw(2, Math.min(80, model.config.positions)) };
  const lengths = [32, 21, 2];
  const width = lengths[0]!;
  const isThere = (row: number, column: number): boolean => column < lengths[row]!;
  const flags = (of: (row: number, column: number) => boolean): HostArray =>
    array(
      Int32Array.from({ length: lengths.length * width }, (_, i) => Number(of(Math.floor(i / width), i % width))),
      [lengths.length, width],
    );
  return {
    input_ids: draw(lengths.length, width, isThere),
    attention_mask: flags(isThere),
    ...(architecture.kind === 'encoder'
      ? { token_type_ids: flags((row, column) => column >= 5 && isThere(row, column)) }
      : { decoder_input_ids: draw(lengths.length, 23) }),
  };
}

function outputsOf(model: AnyModel, inputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const { input_ids: ids, attention_mask: mask, token_type_ids: types, decoder_input_ids: decoderIds } = inputs;
  const read: EncoderInputs = { ids: ids!, ...(mask ? { mask } : {}), ...(types ? { types } : {}) };
  if (decoderIds) return { logits: (model as unknown as EncoderDecoder).forward(read, decoderIds) };
  if (!(model instanceof Bert)) return { logits: (model as unknown as Decoder).forward(read.ids) };
  const hidden = model.hidden(read);
  const { head, pooler } = model.config;
  if (head !== 'none') return { logits: model.logits(hidden) };
  return { last_hidden_state: hidden, ...(pooler ? { pooler_output: model.pooled(hidden) } : {}) };
}

/**
 * Outputs, and the gradient of the sum of their mean squares by every tensor of the file, by the file's names.
 */
export async function compute(
  { model, architecture }: LoadedModel<AnyModel>,
  inputs: Readonly<Record<string, HostArray>>,
): Promise<{ outputs: Record<string, HostArray>; gradients: Map<string, HostArray> }> {
  const parameters = [...model.namedParameters()];
  const program = compile(
    (tensors: Readonly<Record<string, Tensor>>) => {
      const outputs = outputsOf(model, tensors);
      const loss = Object.values(outputs)
        .map((output) => mean(square(output)))
        .reduce(add);
      return {
        outputs,
        gradients: grad(
          loss,
          parameters.map(([, parameter]) => parameter.tensor),
        ),
      };
    },
    { device },
  );
  try {
    const { outputs, gradients } = await program({ ...inputs });
    const byPath = new Map(parameters.map(([path], i) => [path, gradients[i]!.data as Float32Array]));
    return { outputs, gradients: asInFile({ model, architecture }, byPath) };
  } finally {
    await program.release();
  }
}

/** The weights of a model, by the file's names. */
export function weightsAsInFile(loaded: Pick<LoadedModel<AnyModel>, 'model' | 'architecture'>): Map<string, HostArray> {
  const byPath = new Map([...loaded.model.namedParameters()].map(([path, parameter]) => [path, weightsOf(parameter)]));
  return asInFile(loaded, byPath);
}

/** Numbers by the paths of parameters, put together to the tensors of the file. */
function asInFile(
  { model, architecture }: Pick<LoadedModel<AnyModel>, 'model' | 'architecture'>,
  byPath: ReadonlyMap<string, Float32Array>,
): Map<string, HostArray> {
  const tensors = new Map<string, HostArray & { readonly data: Float32Array }>();
  for (const place of architecture.names(model.config)) {
    const shape = fileShape(place);
    const tensor = tensors.get(place.name) ?? {
      dtype: 'float32' as const,
      shape,
      data: new Float32Array(shape.reduce((product, size) => product * size, 1)),
    };
    tensors.set(place.name, tensor);
    enterPart(tensor.data, byPath.get(place.path)!, place);
  }
  for (const [copy, name] of architecture.copies?.(model.config) ?? []) tensors.set(copy, tensors.get(name)!);
  return tensors;
}

/** The likeliest tokens that follow each prompt, or that answer it. */
export async function greedy(
  { model, architecture, generation }: LoadedModel<AnyModel>,
  prompts: readonly Int32Array[],
  maxTokens: number,
): Promise<number[][]> {
  const engine =
    architecture.kind === 'encoder-decoder'
      ? new EncoderDecoderEngine(model as unknown as EncoderDecoder, { device })
      : new GenerationEngine(model as unknown as Decoder, { device });
  try {
    const options = { maxTokens, sampling: { temperature: 0 }, stopIds: generation.eosIds };
    const answers = await engine.generateBatch(prompts, options);
    return answers.map(({ tokens }) => tokens.map(({ token }) => token));
  } finally {
    await engine.release();
  }
}
