/**
 * Writes tiny random models of every architecture through `exportModel`, as `athanor export --format safetensors` does,
 * and what they compute, for `check-hugging-face.py` to hold against the library that the layout comes from. Beside each
 * folder lie `NAME.expected.json` (tokenizer, generation, chats) and `NAME.expected.safetensors` (numbers).
 *
 *     npx tsx scripts/write-tiny-models.ts FOLDER [NAME ...]
 *
 * Where the shared test data is there (`ATHANOR_DATA`, see test/shared-data.ts), published vocabularies and a real
 * trained model, stories260K, are among them.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { exportModel } from '../src/exchange/export.js';
import type { ExportType } from '../src/exchange/export-types.js';
import { CONVERSATIONS, type Conversation } from '../src/exchange/verify-conversations.js';
import { HARD_TEXTS, PROMPT_TEXTS } from '../src/exchange/verify-texts.js';
import { fillMask } from '../src/llm/fill-mask.js';
import { Bert } from '../src/models/bert.js';
import { type AnyModel, type LoadedModel, loadAnyModel } from '../src/models/load.js';
import { architectureFor } from '../src/models/registry.js';
import { type SafetensorsTensor, safetensorsParts } from '../src/models/safetensors.js';
import { generationOf } from '../src/models/save.js';
import { T5 } from '../src/models/t5.js';
import { weightsOf } from '../src/nn/module.js';
import { cpu } from '../src/runtime/device.js';
import type { HostArray } from '../src/tensor/variable.js';
import { encodeChat } from '../src/tokenizer/chat-encoding.js';
import { renderChat } from '../src/tokenizer/chat-template.js';
import type { Json } from '../src/util/json.js';
import { randomizeWeights } from '../test/random-weights.js';
import { sharedData } from '../test/shared-data.js';
import { CASES, type TinyCase } from './hugging-face/cases.js';
import { compute, greedy, inputsOf, weightsAsInFile } from './hugging-face/computed.js';
import { TOKENIZERS } from './hugging-face/tokenizers.js';

const [folder, ...wanted] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: write-tiny-models.ts FOLDER [NAME ...]');
mkdirSync(folder, { recursive: true });

/** As `loadAnyModel` would give a model that lies nowhere yet. */
async function tinyModel({
  name,
  tokenizer,
  create,
  chatTemplate,
}: TinyCase): Promise<LoadedModel<AnyModel> | undefined> {
  const found = await TOKENIZERS[tokenizer]();
  if (found === undefined) return undefined;
  const model = randomizeWeights(create(found.vocabularySize), name.length) as AnyModel;
  if (model instanceof T5) softenScores(model);
  const generation = generationOf(found);
  const architecture = architectureFor(model);
  return { model, architecture, tokenizer: found, chatTemplate, generation, folder: '', damaged: [] };
}

/** T5's scores are not scaled: queries of the usual size would let every position see one other alone. */
function softenScores(model: T5): void {
  for (const [name, parameter] of model.namedParameters()) {
    if (!/ttention\.q\.weight$/.test(name)) continue;
    const weights = weightsOf(parameter);
    for (let i = 0; i < weights.length; i++) weights[i]! /= Math.sqrt(model.config.headWidth);
  }
}

function chatOf({ tokenizer, chatTemplate }: LoadedModel<AnyModel>, conversation: Conversation): Json {
  const { name, messages, tools } = conversation;
  const tokenOf = (id: number | undefined): string | undefined =>
    [...tokenizer.specialTokens].find(([, special]) => special === id)?.[0];
  const options = {
    addGenerationPrompt: true,
    tools,
    bosToken: tokenOf(tokenizer.bosId),
    eosToken: tokenOf(tokenizer.eosId),
  };
  const written = messages.map(({ role, content, toolCalls }) => ({
    role,
    content,
    ...(toolCalls ? { tool_calls: toolCalls.map((call) => ({ type: 'function', function: { ...call } })) } : {}),
  }));
  const chat: Json = { name, messages: written as unknown as Json, tools: (tools as Json[] | undefined) ?? null };
  const spells = (text: string): boolean => [...tokenizer.specialTokens.keys()].some((token) => text.includes(token));
  try {
    const text = renderChat(chatTemplate!, messages, options);
    // A message that spells a special token stays text with us, and becomes that token with the other library.
    const isForged = messages.some(({ content }) => spells(content));
    const ids = isForged ? null : [...encodeChat(tokenizer, chatTemplate!, messages, options)];
    return { ...chat, text, ids };
  } catch {
    return { ...chat, text: null, ids: null };
  }
}

/** What the tokenizer makes of the hard texts. */
function textsOf({ tokenizer }: LoadedModel<AnyModel>): Json {
  return HARD_TEXTS.map((text) => {
    const [plain, special] = [false, true].map((addSpecial) => [
      ...tokenizer.encode(text, { allowSpecial: true, addSpecial }),
    ]) as [number[], number[]];
    const decoded = tokenizer.decode(special);
    return { text, plain, special, decoded, decodedPlain: tokenizer.decode(special, { skipSpecial: true }) };
  });
}

/** The class of the other library that opens it. */
function classOf({ model, architecture }: LoadedModel<AnyModel>): string {
  if (architecture.kind === 'decoder') return 'AutoModelForCausalLM';
  if (architecture.kind === 'encoder-decoder') return 'AutoModelForSeq2SeqLM';
  const heads = {
    none: '',
    maskedWords: 'ForMaskedLM',
    textClass: 'ForSequenceClassification',
    tokenClass: 'ForTokenClassification',
  };
  return `AutoModel${heads[(model as unknown as Bert).config.head]}`;
}

const DTYPES = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' } as const;

function stored([name, { dtype, shape, data }]: [string, HostArray]): [string, SafetensorsTensor] {
  if (dtype === 'int32') return [name, { dtype: 'I32', shape, data: data as Int32Array }];
  return [name, { dtype: 'F32', shape, data: data as Float32Array }];
}

/** Writes one model, reads it again, and writes what the files give. */
async function write(
  name: string,
  original: LoadedModel<AnyModel>,
  {
    type = 'f32',
    shardBytes,
    story,
  }: { type?: ExportType | undefined; shardBytes?: number | undefined; story?: string },
): Promise<void> {
  const to = path.join(folder!, name);
  await exportModel(original, { format: 'safetensors', to, types: [type], name, shardBytes, force: true });
  const loaded = await loadAnyModel(to);
  const { model, tokenizer, architecture, chatTemplate } = loaded;

  const inputs = inputsOf(loaded, name);
  const { outputs, gradients } = await compute(loaded, inputs);
  const prefixed = (kind: string, arrays: Iterable<[string, HostArray]>): [string, HostArray][] =>
    [...arrays].map(([key, value]) => [`${kind}.${key}`, value]);
  const arrays = [
    ...prefixed('input', Object.entries(inputs)),
    ...prefixed('output', Object.entries(outputs)),
    ...prefixed('gradient', gradients),
    ...prefixed('weight', weightsAsInFile(original)),
  ];
  const parts = safetensorsParts(new Map(arrays.map(stored)));
  writeFileSync(path.join(folder!, `${name}.expected.safetensors`), Buffer.concat([...parts]));

  let prompts: Json = [];
  if (architecture.kind !== 'encoder') {
    const texts = story === undefined ? PROMPT_TEXTS.slice(0, 3) : [''];
    const ids = texts.map((text) =>
      story === undefined ? tokenizer.encode(text, { addSpecial: true }) : Int32Array.of(tokenizer.bosId!),
    );
    const generated = await greedy(loaded, ids, story === undefined ? 32 : 256);
    prompts = texts.map((text, i) => ({ text, ids: [...ids[i]!], generated: generated[i]! }));
  }
  let filled: Json = null;
  if (model instanceof Bert && model.config.head === 'maskedWords') {
    const text = 'The [MASK] sat on the [MASK].';
    const places = await fillMask(model, tokenizer, text, { top: 3, device: cpu({ threads: 1 }) });
    filled = { text, ids: places.map((place) => place.map(({ id }) => id)) };
  }
  const expected: Json = {
    class: classOf(loaded),
    inputs:
      architecture.kind === 'encoder'
        ? ['attention_mask', 'input_ids', 'token_type_ids']
        : ['attention_mask', 'input_ids'],
    hasPooler: model instanceof Bert ? model.config.pooler : null,
    copies: Object.fromEntries(architecture.copies?.(model.config) ?? []),
    dtype: DTYPES[type as keyof typeof DTYPES],
    isSharded: shardBytes !== undefined,
    prompts,
    filled,
    dropsLeadingSpace: tokenizer.dropsLeadingSpace ?? false,
    texts: textsOf(loaded),
    chats: chatTemplate === undefined ? [] : CONVERSATIONS.map((conversation) => chatOf(loaded, conversation)),
    story: story ?? null,
  };
  writeFileSync(path.join(folder!, `${name}.expected.json`), JSON.stringify(expected));
  console.log(`${name}: ${model.size} weights`);
}

const isWanted = (name: string): boolean => wanted.length === 0 || wanted.includes(name);

for (const tiny of CASES) {
  if (!isWanted(tiny.name)) continue;
  const model = await tinyModel(tiny);
  if (model === undefined) console.log(`${tiny.name}: left out, its vocabulary is among the shared test data`);
  else await write(tiny.name, model, tiny);
}
const stories = sharedData('models/stories260K');
if (stories === undefined) console.log('stories260K: left out, it is among the shared test data');
else if (isWanted('stories260K')) {
  const story = readFileSync(path.join(stories, 'greedy_256.txt'), 'utf8').trimEnd();
  await write('stories260K', await loadAnyModel(stories), { story });
}
