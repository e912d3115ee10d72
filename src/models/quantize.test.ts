import { describe, expect, it } from 'vitest';
import { drawIds, idRows, likeTrained } from '../../test/model-contract.js';
import { largestError } from '../../test/plain-layers.js';
import { GenerationEngine } from '../generate/engine.js';
import { initialize } from '../nn/module.js';
import { compile } from '../runtime/compile.js';
import { cpu, type Device, webgpu } from '../runtime/device.js';
import { hasWebGpu } from '../runtime/session.js';
import { slice } from '../tensor/ops/slice.js';
import type { Tensor } from '../tensor/tensor.js';
import type { HostArray } from '../tensor/variable.js';
import type { Decoder } from './architecture.js';
import { Gpt2 } from './gpt2.js';
import { readGpt2Config } from './gpt2-hf-config.js';
import { Llama } from './llama.js';
import { quantizeModel } from './quantize.js';

const llama = (): Llama =>
  likeTrained(
    initialize(
      new Llama({
        vocabularySize: 600,
        width: 64,
        layers: 2,
        heads: 4,
        keyHeads: 2,
        hidden: 96,
        positions: 64,
        theta: 10_000,
        epsilon: 1e-5,
        tiedHead: true,
        queryKeyNorm: false,
      }),
      1,
    ),
  );

const gpt2 = (): Gpt2 =>
  likeTrained(
    initialize(
      new Gpt2(readGpt2Config({ vocab_size: 600, n_embd: 64, n_layer: 2, n_head: 4, n_positions: 64 }, 'the test')),
      1,
    ),
  );

/** Logits of the last position, by one pass over all of them. */
async function lastLogits(model: Decoder, ids: readonly number[], device: Device): Promise<Float32Array> {
  const program = compile(
    (inputs: Tensor) => {
      const logits = model.forward(inputs);
      return slice(logits, 1, ids.length - 1, ids.length);
    },
    { device },
  );
  const result = (await program(idRows([ids]) as never)) as unknown as HostArray;
  await program.release();
  return result.data as Float32Array;
}

const argMax = (values: Float32Array): number => values.indexOf(Math.max(...values));

describe.each([
  ['Llama', llama],
  ['GPT-2', gpt2],
] as const)('a packed %s', (_, make) => {
  const device = cpu({ threads: 1 });
  const ids = drawIds(30, 600);

  it.each([8, 4] as const)('generates what its unpacked weights give: %i bits', async (bits) => {
    const model = make();
    const before = await lastLogits(model, ids, device);
    const { packed, kept, packedBytes } = quantizeModel(model, bits);
    expect(kept).toEqual([]);
    expect(packed).toBeGreaterThanOrEqual(9);
    expect(packedBytes).toBeLessThan(4 * model.size * (bits === 8 ? 0.3 : 0.25));
    const packedLogits = await lastLogits(model, ids, device);
    // The same numbers in float32 matrices: only the other operand's rounding is left.
    const rounded = make();
    const values = new Map(model.namedParameters());
    for (const [path, parameter] of rounded.namedParameters()) parameter.value = values.get(path)!.value;
    const roundedLogits = await lastLogits(rounded, ids, device);
    const scale = Math.max(...before.map(Math.abs));
    expect(largestError([...packedLogits], [...roundedLogits])).toBeLessThan(0.05 * scale);
    expect(largestError([...packedLogits], [...before])).toBeLessThan((bits === 8 ? 0.15 : 0.9) * scale);
    expect(packedLogits).not.toEqual(before);

    // Cached steps, with products joined, against whole passes, with each for itself.
    const engine = new GenerationEngine(model, { device, batch: 1 });
    const { tokens } = await engine.generate(ids, { maxTokens: 6, sampling: { temperature: 0 } });
    await engine.release();
    const text = [...ids];
    for (const { token } of tokens) {
      const logits = await lastLogits(model, text, device);
      expect(logits[token]!).toBeGreaterThan(logits[argMax(logits)]! - 1e-3 * scale);
      text.push(token);
    }
  });
});

const gpu = await hasWebGpu();

it.skipIf(!gpu)('gives the same on a GPU as on the CPU', async () => {
  const ids = drawIds(12, 600);
  const model = llama();
  quantizeModel(model, 4);
  const onCpu = await lastLogits(model, ids, cpu({ threads: 1 }));
  const onGpu = await lastLogits(model, ids, webgpu());
  const scale = Math.max(...onCpu.map(Math.abs));
  expect(largestError([...onGpu], [...onCpu])).toBeLessThan(0.05 * scale);
  const engine = new GenerationEngine(model, { device: webgpu(), batch: 1 });
  const { tokens } = await engine.generate(ids, { maxTokens: 3, sampling: { temperature: 0 } });
  await engine.release();
  expect(onGpu[tokens[0]!.token]!).toBeGreaterThan(onGpu[argMax(onGpu)]! - 0.05 * scale);
});
