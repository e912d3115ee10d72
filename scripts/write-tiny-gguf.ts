/**
 * Writes tiny random models as GGUF files, each beside what we read from it (a folder in Hugging Face's layout) and
 * compute, for `check-gguf.py` to hold against other libraries.
 *
 *     npx tsx scripts/write-tiny-gguf.ts FOLDER
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Decoder } from '../src/models/architecture.js';
import { loadGguf } from '../src/models/gguf-load.js';
import { writeGguf } from '../src/models/gguf-write.js';
import { Gpt2 } from '../src/models/gpt2.js';
import { Llama, type LlamaConfig } from '../src/models/llama.js';
import { saveModel } from '../src/models/save.js';
import { array } from '../src/runtime/array.js';
import { compile } from '../src/runtime/compile.js';
import type { Tensor } from '../src/tensor/tensor.js';
import { trainByteBpe } from '../src/tokenizer/byte-bpe-training.js';
import { GPT2_PATTERN, pretokenizerOf } from '../src/tokenizer/pretokenizer.js';
import { END_OF_TEXT } from '../src/tokenizer/tokenizer.js';
import { randomizeWeights } from '../test/random-weights.js';

const shape = { vocabularySize: 300, width: 64, layers: 2, heads: 4, hidden: 96, positions: 64, epsilon: 1e-5 };
const llama: LlamaConfig = { ...shape, keyHeads: 2, theta: 10_000, tiedHead: true, queryKeyNorm: false };

const models: Readonly<Record<string, Decoder>> = {
  llama: new Llama(llama),
  'llama-untied': new Llama({ ...llama, tiedHead: false, theta: 500_000 }),
  qwen2: new Llama({ ...llama, modelType: 'qwen2', attentionBias: 'inputs' }),
  // Whatever the file says, transformers 5 takes Qwen 3's heads to be 128 wide, and GPT-2 to have 1,024 positions.
  qwen3: new Llama({ ...llama, queryKeyNorm: true, headWidth: 128, tiedHead: false }),
  gpt2: new Gpt2({ ...shape, hidden: 256, positions: 1024, activation: 'geluTanh', tiedHead: true }),
};

const folder = process.argv[2];
if (folder === undefined) throw new Error('give the folder to write to');
mkdirSync(folder, { recursive: true });
const tokenizer = await trainByteBpe(['the cat sat on the mat, the dog on the log'], {
  vocabularySize: 270,
  specialTokens: [END_OF_TEXT],
  pretokenizer: pretokenizerOf(GPT2_PATTERN),
});
const ids = Int32Array.from({ length: 24 }, (_, i) => (i * 37) % 256);
for (const [i, [name, model]] of Object.entries(models).entries()) {
  randomizeWeights(model, i);
  for (const type of ['F32', 'F16', 'Q8_0', 'Q4_0'] as const) {
    const base = path.join(folder, `${name}-${type}`);
    await writeGguf(`${base}.gguf`, { model, tokenizer }, { type, name });
    const read = loadGguf(`${base}.gguf`);
    await saveModel(base, read);
    const decoder = read.model as unknown as Decoder;
    const program = compile((input: Tensor) => decoder.forward(input));
    const { data } = await program(array(ids, [1, ids.length]));
    await program.release();
    const expected = { ids: [...ids], logits: [...(data as Float32Array)] };
    writeFileSync(`${base}.expected.json`, JSON.stringify(expected));
  }
}
