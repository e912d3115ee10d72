import * as fs from 'node:fs';
import path from 'node:path';
import { GgufFile } from '../src/gguf/file.js';
import { readPooling } from '../src/llm/pooling.js';
import { verifyCheckpoint } from '../src/models/checkpoint.js';
import { readGenerationConfig } from '../src/models/generation-config.js';
import { loadGguf } from '../src/models/gguf-load.js';
import { readLlama2c } from '../src/models/llama2c.js';
import { WeightFiles } from '../src/models/load-weights.js';
import { architectureOf } from '../src/models/registry.js';
import { SafetensorsFile } from '../src/models/safetensors.js';
import { readModelFile, readTensorBytes } from '../src/onnx/external-data.js';
import { loadChatTemplate, renderChat } from '../src/tokenizer/chat-template.js';
import { loadTokenizer } from '../src/tokenizer/file.js';
import { loadLlama2cTokenizer } from '../src/tokenizer/llama2c.js';
import { readSentencePieceModel } from '../src/tokenizer/sentencepiece-model.js';
import type { Tokenizer } from '../src/tokenizer/tokenizer.js';
import { pretrainRecipeSchema } from '../src/train/recipe-schema.js';
import { readRunRecord } from '../src/train/run-folder.js';
import { readJsonObject } from '../src/util/json.js';
import { loadRecipe } from '../src/util/schema.js';

/** One of the readers of files that strangers make. */
export interface Reader {
  /** The file that is damaged; the reader is given its path. Undefined: it is given the folder that holds the files. */
  readonly file?: string;
  /** Reads all that the files hold, and uses it as far as that shows their faults. */
  read(place: string): unknown;
}

/** Every way in which text, code, Chinese and nonsense meet a tokenizer. */
const TEXT = `The  cat's\n\tsat on 3.14 mats — 猫坐在垫子上。 <s>[CLS]</s> ${'ab '.repeat(20)}${'é'.repeat(9)}😀\0\ud800 x`;

function use(tokenizer: Tokenizer): void {
  const ids = tokenizer.encode(TEXT, { allowSpecial: true, addSpecial: true });
  tokenizer.decode(ids);
  tokenizer.decode(tokenizer.encode(TEXT), { skipSpecial: true });
  JSON.stringify(tokenizer.toJson());
}

function readAll(names: Iterable<string>, source: { readFloat32(name: string): unknown; close(): void }): void {
  try {
    for (const name of names) source.readFloat32(name);
  } finally {
    source.close();
  }
}

/** By name; their corpus is the folder of that name. */
export const READERS: Readonly<Record<string, Reader>> = {
  safetensors: {
    file: 'model.safetensors',
    read(file) {
      const opened = SafetensorsFile.open(file);
      try {
        for (const name of opened.entries.keys()) opened.read(name);
      } finally {
        opened.close();
      }
    },
  },
  weights: {
    read(folder) {
      const weights = WeightFiles.open(folder);
      readAll(weights.shapes.keys(), weights);
    },
  },
  gguf: {
    file: 'model.gguf',
    read(file) {
      const opened = GgufFile.open(file);
      readAll(opened.tensors.keys(), opened);
    },
  },
  'gguf-model': {
    file: 'model.gguf',
    read(file) {
      const { tokenizer, chatTemplate } = loadGguf(file);
      use(tokenizer);
      if (chatTemplate !== undefined) renderChat(chatTemplate, [{ role: 'user', content: 'x' }]);
    },
  },
  'tokenizer-json': { file: 'tokenizer.json', read: (file) => use(loadTokenizer(file)) },
  vocabulary: { read: (folder) => use(loadTokenizer(folder)) },
  sentencepiece: { file: 'tokenizer.model', read: (file) => use(readSentencePieceModel(file)) },
  'chat-template': {
    read(folder) {
      const template = loadChatTemplate(folder);
      if (template === undefined) return;
      const call = { name: 'add', arguments: { a: [1, { b: null }] } };
      renderChat(
        template,
        [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: ' What is\n1 + 1? ' },
          { role: 'assistant', content: '', toolCalls: [call] },
          { role: 'tool', content: '2' },
        ],
        { addGenerationPrompt: true, tools: [{ name: 'add' }], bosToken: '<s>', eosToken: '</s>' },
      );
    },
  },
  config: {
    file: 'config.json',
    read(file) {
      const json = readJsonObject(file);
      const architecture = architectureOf(json, file);
      const config = architecture.fromConfig(json, file);
      architecture.names(config);
      readGenerationConfig(json, file);
    },
  },
  'generation-config': {
    file: 'generation_config.json',
    read: (file) => readGenerationConfig(readJsonObject(file), file),
  },
  onnx: {
    file: 'model.onnx',
    read(file) {
      const { graph } = readModelFile(file);
      for (const tensor of graph.initializers) readTensorBytes(file, tensor);
    },
  },
  llama2c: { file: 'model.bin', read: (file) => readLlama2c(file) },
  'llama2c-tokenizer': { file: 'tokenizer.bin', read: (file) => use(loadLlama2cTokenizer(file, 264)) },
  checksums: { read: (folder) => verifyCheckpoint(folder) },
  pooling: { read: (folder) => readPooling(folder) },
  run: { file: 'run.json', read: (file) => readRunRecord(path.dirname(file)) },
  recipe: { file: 'recipe.yaml', read: (file) => loadRecipe(file, [], pretrainRecipeSchema) },
};

/** Files by name. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

/** Puts files into an empty folder and returns what the reader is given. */
export function place(reader: Reader, folder: string, files: Files): string {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), content);
  }
  return reader.file === undefined ? folder : path.join(folder, reader.file);
}
