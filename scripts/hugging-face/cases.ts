import type { ExportType } from '../../src/exchange/export-types.js';
import { Bert, type BertConfig } from '../../src/models/bert.js';
import { Gpt2, type Gpt2Config } from '../../src/models/gpt2.js';
import { Llama, type LlamaConfig } from '../../src/models/llama.js';
import { T5, type T5Config } from '../../src/models/t5.js';
import type { Module } from '../../src/nn/module.js';
import { DEFAULT_CHAT_TEMPLATE } from '../../src/tokenizer/chat-template.js';
import type { TokenizerName } from './tokenizers.js';

/** A tiny model with random weights, and how it is written. */
export interface TinyCase {
  readonly name: string;
  readonly tokenizer: TokenizerName;
  /** @param vocabularySize the tokenizer's. */
  create(vocabularySize: number): Module & { readonly config: unknown };
  readonly chatTemplate?: string;
  /** Default `f32`. */
  readonly type?: ExportType;
  readonly shardBytes?: number;
}

/** ChatML with tools, which are written as JSON. */
const CHATML = `{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
    {{- '# Tools\\n' }}
    {%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or message.role == 'assistant' and not message.tool_calls %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant' }}
        {%- for call in message.tool_calls %}
            {{- '\\n<tool_call>\\n{"name": "' ~ call.function.name ~ '", "arguments": ' }}
            {{- call.function.arguments | tojson ~ '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
`;

/** Opens and closes by the tokenizer's own tokens, trims, and refuses what it does not know. */
const INST = [
  '{{ bos_token }}{% for message in messages %}',
  "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}",
  "{{ raise_exception('roles must alternate: user, assistant, user …') }}{% endif %}",
  "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] | trim + ' [/INST]' }}",
  "{% else %}{{ ' ' + message['content'].strip() + eos_token }}{% endif %}{% endfor %}",
].join('');

const gpt2 =
  (changes: Partial<Gpt2Config> = {}): TinyCase['create'] =>
  (vocabularySize) =>
    new Gpt2({
      vocabularySize,
      width: 24,
      layers: 2,
      heads: 3,
      positions: 96,
      hidden: 96,
      activation: 'geluTanh',
      epsilon: 1e-5,
      tiedHead: true,
      ...changes,
    });

/** @param padding ids that the model has beyond the tokenizer's, as tables that were filled up have. */
const llama =
  (changes: Partial<LlamaConfig> = {}, padding = 0): TinyCase['create'] =>
  (vocabularySize) =>
    new Llama({
      vocabularySize: vocabularySize + padding,
      width: 32,
      layers: 3,
      heads: 4,
      keyHeads: 2,
      hidden: 56,
      positions: 96,
      theta: 10_000,
      epsilon: 1e-5,
      tiedHead: true,
      queryKeyNorm: false,
      ...changes,
    });

const bert =
  (changes: Partial<BertConfig>): TinyCase['create'] =>
  (vocabularySize) =>
    new Bert({
      vocabularySize,
      width: 24,
      layers: 2,
      heads: 3,
      positions: 48,
      hidden: 40,
      types: 2,
      activation: 'gelu',
      epsilon: 1e-12,
      head: 'none',
      pooler: false,
      tiedHead: true,
      labels: [],
      problem: undefined,
      ...changes,
    });

const t5 =
  (changes: Partial<T5Config> = {}): TinyCase['create'] =>
  (vocabularySize) =>
    new T5({
      modelType: 't5',
      vocabularySize,
      width: 24,
      layers: 3,
      // Not more than the encoder's: the other library's cache would be too short.
      decoderLayers: 2,
      heads: 3,
      headWidth: 10,
      hidden: 40,
      activation: 'relu',
      gated: false,
      positions: 64,
      buckets: 8,
      maxDistance: 16,
      epsilon: 1e-6,
      decoderStartId: 0,
      tiedHead: true,
      scaledHead: true,
      ...changes,
    });

const T5_GATED = { activation: 'geluTanh', gated: true, tiedHead: false, scaledHead: false } as const;
const CHAT_OURS = { tokenizer: 'ours', chatTemplate: DEFAULT_CHAT_TEMPLATE } as const;
const CHAT_ML = { tokenizer: 'qwen', chatTemplate: CHATML } as const;
const CHAT_INST = { tokenizer: 'opened', chatTemplate: INST } as const;
const LABELS = ['angry', 'calm', 'glad'];
const QWEN2 = { modelType: 'qwen2', attentionBias: 'inputs' } as const;

/** One of each form that a folder may have. */
export const CASES: readonly TinyCase[] = [
  { name: 'gpt2', tokenizer: 'ours', create: gpt2() },
  {
    name: 'gpt2-untied',
    ...CHAT_OURS,
    create: gpt2({ tiedHead: false, hidden: 31, activation: 'gelu', epsilon: 1e-3 }),
  },
  { name: 'gpt2-published-vocabulary', tokenizer: 'publishedGpt2', create: gpt2({ width: 12, layers: 1 }) },
  { name: 'llama', ...CHAT_OURS, create: llama() },
  { name: 'llama-f16', ...CHAT_OURS, create: llama(), type: 'f16' },
  { name: 'llama-bf16', ...CHAT_OURS, create: llama(), type: 'bf16' },
  { name: 'llama-sharded', ...CHAT_OURS, create: llama({}, 4), shardBytes: 24_000 },
  {
    name: 'llama-untied',
    ...CHAT_INST,
    create: llama({ tiedHead: false, keyHeads: 4, theta: 500_000, epsilon: 1e-6 }),
  },
  { name: 'llama-biases', ...CHAT_INST, create: llama({ attentionBias: 'all', feedForwardBias: true }) },
  { name: 'llama-head-width', tokenizer: 'opened', create: llama({ headWidth: 14, keyHeads: 1 }) },
  { name: 'llama-rope-linear', tokenizer: 'opened', create: llama({ scaling: { type: 'linear', factor: 3 } }) },
  {
    name: 'llama-rope-llama3',
    tokenizer: 'opened',
    create: llama({
      headWidth: 16,
      theta: 500,
      scaling: { type: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 32 },
    }),
  },
  {
    name: 'llama-rope-yarn',
    tokenizer: 'opened',
    create: llama({
      headWidth: 16,
      scaling: {
        type: 'yarn',
        factor: 3,
        originalPositions: 32,
        betaFast: 3,
        betaSlow: 0.5,
        attentionFactor: 1.25,
        truncate: false,
      },
    }),
  },
  {
    name: 'mistral-window',
    ...CHAT_INST,
    create: llama({ modelType: 'mistral', tiedHead: false, window: { size: 7, layers: [0, 1, 2] } }),
  },
  { name: 'qwen2', ...CHAT_ML, create: llama(QWEN2, 6) },
  { name: 'qwen2-window', ...CHAT_ML, create: llama({ ...QWEN2, window: { size: 7, layers: [1, 2] } }) },
  { name: 'qwen3', ...CHAT_ML, create: llama({ queryKeyNorm: true, headWidth: 12, keyHeads: 1 }) },
  { name: 'qwen3-bf16-sharded', ...CHAT_ML, create: llama({ queryKeyNorm: true }), type: 'bf16', shardBytes: 12_000 },
  { name: 'bert', tokenizer: 'wordPiece', create: bert({ pooler: true }) },
  { name: 'bert-no-pooler', tokenizer: 'wordPiece', create: bert({}) },
  { name: 'bert-masked-words', tokenizer: 'wordPiece', create: bert({ head: 'maskedWords' }) },
  { name: 'bert-masked-words-untied', tokenizer: 'wordPiece', create: bert({ head: 'maskedWords', tiedHead: false }) },
  {
    name: 'bert-text-classes',
    tokenizer: 'wordPiece',
    create: bert({ head: 'textClass', pooler: true, labels: LABELS, problem: 'single_label_classification' }),
  },
  {
    name: 'bert-token-classes-f16',
    tokenizer: 'wordPiece',
    create: bert({ head: 'tokenClass', labels: LABELS }),
    type: 'f16',
  },
  {
    name: 'bert-published-vocabulary',
    tokenizer: 'publishedBert',
    create: bert({ head: 'maskedWords', width: 12, layers: 1 }),
  },
  { name: 't5', tokenizer: 'unigram', create: t5() },
  { name: 't5-gated-untied', tokenizer: 'unigramBytes', create: t5(T5_GATED) },
  { name: 't5-bf16', tokenizer: 'unigram', create: t5(T5_GATED), type: 'bf16' },
  { name: 't5-published-vocabulary', tokenizer: 'publishedT5', create: t5({ width: 12, layers: 1, decoderLayers: 1 }) },
  { name: 'mt5', tokenizer: 'unigramBytes', create: t5({ ...T5_GATED, modelType: 'mt5' }) },
];
