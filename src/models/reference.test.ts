import * as path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ReferenceCase, readReferenceCase, referenceCaseNames } from '../../test/reference-case.js';
import type { Module } from '../nn/module.js';
import { compile } from '../runtime/compile.js';
import { cpu } from '../runtime/device.js';
import { grad } from '../tensor/grad.js';
import { add } from '../tensor/ops/binary.js';
import { mean } from '../tensor/ops/reduce.js';
import { square } from '../tensor/ops/unary.js';
import type { Tensor } from '../tensor/tensor.js';
import type { HostArray } from '../tensor/variable.js';
import { InputError } from '../util/errors.js';
import { readJsonObject } from '../util/json.js';
import type { Decoder, EncoderInputs, TensorPlace } from './architecture.js';
import { Bert } from './bert.js';
import type { EncoderDecoder } from './encoder-decoder.js';
import { WeightFiles } from './load-weights.js';
import { type ArchitectureRecord, architectureOf, modelFrom, namingOf } from './registry.js';
import { enterPart, fileShape } from './weight-places.js';

/** Largest difference over the largest value of a tensor. */
const TOLERANCE = 1e-4;
/** A gradient may be 0 but for rounding (a bias of keys): then it is held against this share of the largest gradient. */
const FLOOR = 1e-3;

type Arrays = ReadonlyMap<string, HostArray>;

/** What a model computes, under the names of the reference. */
function outputsOf(model: Module, inputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const { input_ids: ids, attention_mask: mask, token_type_ids: types, decoder_input_ids: decoderIds } = inputs;
  const read: EncoderInputs = { ids: ids!, ...(mask ? { mask } : {}), ...(types ? { types } : {}) };
  if (decoderIds) return { logits: (model as EncoderDecoder).forward(read, decoderIds) };
  if (model instanceof Bert) {
    const hidden = model.hidden(read);
    const { head, pooler } = model.config;
    if (head !== 'none') return { logits: model.logits(hidden) };
    return { last_hidden_state: hidden, ...(pooler ? { pooler_output: model.pooled(hidden) } : {}) };
  }
  return { logits: (model as Decoder).forward(read.ids) };
}

type Loaded = { readonly architecture: ArchitectureRecord; readonly model: ReturnType<typeof modelFrom> };

function load({ folder }: ReferenceCase, configFile = 'config.json'): Loaded {
  const file = path.join(folder, configFile);
  const json = readJsonObject(file);
  const architecture = architectureOf(json, file);
  const weights = WeightFiles.open(folder);
  try {
    return { architecture, model: modelFrom(architecture, architecture.fromConfig(json, file), weights) };
  } finally {
    weights.close();
  }
}

/** Outputs by their names, and gradients by the paths of parameters. */
async function run(model: Module, inputs: Arrays): Promise<{ outputs: Arrays; gradients: Arrays }> {
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
    { device: cpu({ threads: 1 }) },
  );
  try {
    const { outputs, gradients } = await program(Object.fromEntries(inputs));
    return {
      outputs: new Map(Object.entries(outputs)),
      gradients: new Map(parameters.map(([path], i) => [path, gradients[i]!])),
    };
  } finally {
    await program.release();
  }
}

/** The gradient by a tensor of the file, put together from those of the parameters that are its parts. */
function gradientOf(parts: readonly TensorPlace[], gradients: Arrays): HostArray {
  const shape = fileShape(parts[0]!);
  const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
  for (const place of parts) enterPart(data, gradients.get(place.path)!.data as Float32Array, place);
  return { dtype: 'float32', shape, data };
}

const largest = ({ data }: HostArray): number =>
  (data as Float32Array).reduce((most, x) => Math.max(most, Math.abs(x)), 0);

/** What is wrong with a tensor, or undefined. */
function fault(name: string, actual: HostArray | undefined, expected: HostArray, floor = 0): string | undefined {
  if (actual === undefined) return `${name}: not computed`;
  if (actual.shape.join() !== expected.shape.join()) return `${name}: shape [${actual.shape}], not [${expected.shape}]`;
  const [a, b] = [actual.data as Float32Array, expected.data as Float32Array];
  const difference =
    a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0) / Math.max(largest(expected), floor);
  return difference < TOLERANCE ? undefined : `${name}: off by ${difference.toExponential(1)} of its largest value`;
}

/** Everything in which a case differs from the reference. */
async function faultsOf(reference: ReferenceCase): Promise<string[]> {
  const { architecture, model } = load(reference);
  const places = architecture.names(model.config);
  const { alias } = namingOf(architecture, model.config);
  const { outputs, gradients } = await run(model, reference.inputs);
  const floor = FLOOR * Math.max(...[...reference.gradients.values()].map(largest));
  const unseen = new Set(gradients.keys());
  const found = [...reference.outputs].map(([name, expected]) => fault(`output ${name}`, outputs.get(name), expected));
  for (const [name, expected] of reference.gradients) {
    const parts = places.filter((place) => place.name === alias(name));
    for (const part of parts) unseen.delete(part.path);
    const actual = parts.length === 0 ? undefined : gradientOf(parts, gradients);
    found.push(fault(`gradient ${name}`, actual, expected, floor));
  }
  found.push(...[...unseen].map((path) => `gradient ${path}: not in the reference`));
  return found.filter((text) => text !== undefined);
}

function isBuilt({ folder }: ReferenceCase): boolean {
  const file = path.join(folder, 'config.json');
  try {
    architectureOf(readJsonObject(file), file);
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

const cases = referenceCaseNames().map(readReferenceCase);

describe("PyTorch's reference implementation", () => {
  it('has no model that is not built here', () => {
    expect(cases.length).toBeGreaterThan(20);
    expect(cases.filter((reference) => !isBuilt(reference)).map(({ name }) => name)).toEqual([]);
  });

  describe.each(cases.filter(isBuilt).map((reference) => [reference.name, reference] as const))(
    '%s',
    (_, reference) => {
      it('computes the same outputs and gradients', async () => {
        expect(await faultsOf(reference)).toEqual([]);
      });

      it('is the same model in the older spelling of config.json', () => {
        expect(load(reference, 'config-4.json').model.config).toEqual(load(reference).model.config);
      });
    },
  );
});
