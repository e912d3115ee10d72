import { BERT, GENERATION, GPT2, LLAMA, QWEN2, T5 } from '../scripts/corpus/config-cases.js';
import { CHECKSUMS, RUN, SAVED, SENTENCES } from '../scripts/corpus/folder-cases.js';
import { GOOD_HEADER, GOOD_MODEL } from '../scripts/corpus/gguf-cases.js';
import { GOOD_LLAMA2C, GOOD_LLAMA2C_TOKENIZER } from '../scripts/corpus/llama2c-cases.js';
import { GOOD_ONNX } from '../scripts/corpus/onnx-cases.js';
import { GOOD, INDEX, SHARDS } from '../scripts/corpus/safetensors-cases.js';
import { GOOD_SENTENCEPIECE } from '../scripts/corpus/sentencepiece-cases.js';
import { BPE, UNIGRAM, WORDPIECE } from '../scripts/corpus/tokenizer-cases.js';
import { BYTES, CONFIG, MERGES, WORDS } from '../scripts/corpus/vocabulary-cases.js';
import { DEFAULT_CHAT_TEMPLATE } from '../src/tokenizer/chat-template.js';
import { type Files, READERS } from './readers.js';

/** Valid files, by reader. */
export const SEEDS: Readonly<Record<string, readonly Files[]>> = {
  safetensors: one('safetensors', GOOD),
  weights: [{ ...SHARDS, 'model.safetensors.index.json': JSON.stringify(INDEX) }, { 'model.safetensors': GOOD }],
  gguf: one('gguf', GOOD_HEADER, GOOD_MODEL),
  'gguf-model': one('gguf-model', GOOD_MODEL),
  'tokenizer-json': one('tokenizer-json', ...[WORDPIECE, UNIGRAM, BPE].map((seed) => JSON.stringify(seed))),
  vocabulary: [
    { 'vocab.txt': WORDS, 'tokenizer_config.json': JSON.stringify(CONFIG) },
    { 'vocab.json': JSON.stringify(BYTES), 'merges.txt': MERGES, 'added_tokens.json': '{"<new>":258}' },
    { 'spiece.model': GOOD_SENTENCEPIECE, 'tokenizer_config.json': '{"tokenizer_class":"T5Tokenizer","extra_ids":2}' },
  ],
  sentencepiece: one('sentencepiece', GOOD_SENTENCEPIECE),
  'chat-template': [{ 'chat_template.jinja': DEFAULT_CHAT_TEMPLATE }],
  config: one('config', ...[LLAMA, QWEN2, GPT2, BERT, T5].map((seed) => JSON.stringify(seed))),
  'generation-config': one('generation-config', JSON.stringify(GENERATION)),
  onnx: one('onnx', GOOD_ONNX),
  llama2c: one('llama2c', GOOD_LLAMA2C),
  'llama2c-tokenizer': one('llama2c-tokenizer', GOOD_LLAMA2C_TOKENIZER),
  checksums: [{ ...SAVED, 'checksums.json': JSON.stringify(CHECKSUMS) }],
  pooling: [SENTENCES],
  run: one('run', JSON.stringify(RUN)),
  recipe: one(
    'recipe',
    'data: a.txt\nseed: 1\ntrain: {steps: 3, learningRate: 0.1}\nmodel: {width: 16}\ntokenizer: {kind: auto}\n',
  ),
};

function one(name: string, ...contents: (string | Uint8Array)[]): Files[] {
  return contents.map((content) => ({ [READERS[name]!.file!]: content }));
}
