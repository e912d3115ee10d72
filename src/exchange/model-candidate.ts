import * as path from 'node:path';
import { EncoderDecoderEngine } from '../generate/encoder-decoder-engine.js';
import { GenerationEngine } from '../generate/engine.js';
import type { Decoder, Encoder } from '../models/architecture.js';
import type { EncoderDecoder } from '../models/encoder-decoder.js';
import type { AnyModel, LoadedModel } from '../models/load.js';
import { array } from '../runtime/array.js';
import { compile } from '../runtime/compile.js';
import { cpu, type Device } from '../runtime/device.js';
import { dim } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { HostArray } from '../tensor/variable.js';
import { InputError } from '../util/errors.js';
import type { Candidate } from './candidate.js';
import { hasHead } from './onnx-encoder.js';

export interface CandidateOptions {
  readonly device?: Device;
  /** Default: the last part of the folder's name. */
  readonly name?: string;
}

type Outputs = Candidate['outputs'];
type Greedy = Candidate['greedy'];

/** What one kind of model contributes. */
interface Runner {
  readonly outputs: Outputs;
  readonly greedy: Greedy;
  readonly release: () => Promise<void>;
}

const row = (ids: readonly number[]): HostArray => array(Int32Array.from(ids), [1, ids.length]);

/** @throws {InputError} always. */
export function refuseGreedy(name: string): Promise<never> {
  return Promise.reject(new InputError('an encoder continues no text', { where: name }));
}

/** A model that was loaded here, as it runs here. */
export function candidateOf(loaded: LoadedModel<AnyModel>, options: CandidateOptions = {}): Candidate {
  const { device = cpu(), name = path.basename(path.resolve(loaded.folder)) } = options;
  const { model, architecture, tokenizer, chatTemplate } = loaded;
  const { kind } = architecture;
  return {
    name,
    kind,
    tokenizer,
    chatTemplate,
    vocabularySize: model.config.vocabularySize,
    positions: model.config.positions,
    ...runnerOf(kind, model, device, name),
  };
}

function runnerOf(kind: Candidate['kind'], model: AnyModel, device: Device, name: string): Runner {
  if (kind === 'decoder') return decoderRunner(model as unknown as Decoder, device);
  if (kind === 'encoder') return encoderRunner(model as unknown as Encoder, device, name);
  return encoderDecoderRunner(model as unknown as EncoderDecoder, device);
}

/** Compiles a function of one row of ids for rows of every length. */
function rowProgram(fn: (ids: Tensor) => Tensor, device: Device): Pick<Runner, 'outputs' | 'release'> {
  const program = compile(fn, { device, shapes: { '0': [1, dim('T')] } });
  return {
    outputs: async (ids) => (await program(row(ids))).data as Float32Array,
    release: () => program.release(),
  };
}

function decoderRunner(model: Decoder, device: Device): Runner {
  const { outputs, release } = rowProgram((ids) => model.forward(ids), device);
  const engine = new GenerationEngine(model, { device, batch: 1 });
  return {
    outputs,
    greedy: async (ids, tokens) => {
      const maxTokens = Math.min(tokens, model.config.positions + 1 - ids.length);
      const generation = await engine.generate(ids, { maxTokens, sampling: { temperature: 0 } });
      return generation.tokens.map(({ token }) => token);
    },
    release: async () => {
      await release();
      await engine.release();
    },
  };
}

function encoderRunner(model: Encoder, device: Device, name: string): Runner {
  const compute = (ids: Tensor): Tensor => {
    const hidden = model.hidden({ ids });
    return hasHead(model) ? model.logits(hidden) : hidden;
  };
  return { ...rowProgram(compute, device), greedy: () => refuseGreedy(name) };
}

function encoderDecoderRunner(model: EncoderDecoder, device: Device): Runner {
  const program = compile((ids: Tensor, decoderIds: Tensor): Tensor => model.forward({ ids }, decoderIds), {
    device,
    shapes: { '0': [1, dim('S')], '1': [1, dim('T')] },
  });
  const engine = new EncoderDecoderEngine(model, { device, batch: 1 });
  return {
    outputs: async (ids, decoderIds = [model.config.decoderStartId]) =>
      (await program(row(ids), row(decoderIds))).data as Float32Array,
    greedy: async (ids, tokens) => {
      const generation = await engine.generate(ids, { maxTokens: tokens, sampling: { temperature: 0 } });
      return generation.tokens.map(({ token }) => token);
    },
    release: async () => {
      await program.release();
      await engine.release();
    },
  };
}
