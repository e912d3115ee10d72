import * as fs from 'node:fs';
import * as path from 'node:path';
import { readBytes } from '../util/files.js';

/** Larger ones are none. */
const MOST_BYTES = 2 ** 20;

const STAGE = /^\d{1,2}_[A-Za-z]+$/;

/**
 * The files that say how a sentence encoder makes one vector of a text, by their paths in its folder: they belong to the
 * model as its tokenizer does. None for another model.
 */
export function sentenceFiles(folder: string): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  if (!fs.existsSync(path.join(folder, 'modules.json'))) return files;
  const stages = fs.readdirSync(folder).filter((name) => STAGE.test(name));
  const names = [
    'modules.json',
    'sentence_bert_config.json',
    'config_sentence_transformers.json',
    ...stages.map((stage) => `${stage}/config.json`),
  ];
  for (const name of names) {
    const file = path.join(folder, name);
    const status = fs.statSync(file, { throwIfNoEntry: false });
    if (status?.isFile() === true && status.size <= MOST_BYTES) files.set(name, readBytes(file));
  }
  return files;
}
