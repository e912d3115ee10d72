import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { Option } from 'commander';
import type { Document } from '../../data/document.js';
import { openSource } from '../../data/source.js';
import { CHAT_SPECIAL_TOKENS } from '../../tokenizer/chat-template.js';
import { loadTokenizer, saveTokenizer } from '../../tokenizer/file.js';
import type { Tokenizer } from '../../tokenizer/tokenizer.js';
import { suggestedVocabulary } from '../../train/pretrain-recipe.js';
import { trainTokenizerFor } from '../../train/pretrain-tokenizer.js';
import { InputError } from '../../util/errors.js';
import { textTable } from '../../util/table.js';
import { bringModel, MODEL_PLACES, offlineOption, type PlaceFlags } from '../model-place.js';
import { addExamples, jsonOption, wholeNumber } from '../options.js';
import { writeLine, writeRecord } from '../output.js';
import { progressLine, reporter } from '../training-command.js';

interface TrainOptions {
  readonly data: string;
  readonly out: string;
  readonly vocabulary?: number;
  readonly kind: 'auto' | 'byte-bpe' | 'character' | 'wordpiece' | 'unigram';
  readonly skipBadLines?: boolean;
  readonly json?: boolean;
}

/** Declares `athanor tokenizer`. */
export function configure(command: Command): void {
  const training = command
    .command('train')
    .description('learn a tokenizer from text')
    .requiredOption('--data <source>', 'text to learn from: a file, a folder, or npm:NAME')
    .requiredOption('--out <folder>', 'where tokenizer.json goes')
    .option('--vocabulary <count>', 'tokens in all; default: by the size of the text', wholeNumber({ min: 1 }))
    .addOption(
      new Option('--kind <kind>', 'auto: characters for text that is mostly Chinese, else byte-level BPE')
        .choices(['auto', 'byte-bpe', 'character', 'wordpiece', 'unigram'])
        .default('auto'),
    )
    .option('--skip-bad-lines', 'leave out lines that cannot be read, instead of stopping')
    .addOption(jsonOption())
    .action(trainTokenizer);
  addExamples(training, [
    'athanor tokenizer train --data corpus.txt --out tokenizers/mine --vocabulary 4096',
    'athanor tokenizer train --data poems.json --out tokenizers/poems --kind character',
    'athanor tokenizer train --data corpus.txt --out tokenizers/bert --kind wordpiece --vocabulary 8000',
  ]);
  const inspection = command
    .command('inspect')
    .description('show how a text is cut into tokens')
    .argument('<model>', `${MODEL_PLACES}, or a folder with a tokenizer`)
    .argument('<text>', 'the text')
    .addOption(offlineOption())
    .addOption(jsonOption())
    .action(inspect);
  addExamples(inspection, ['athanor tokenizer inspect tokenizers/mine "The furnace keeps a steady heat."']);
}

async function trainTokenizer(options: TrainOptions): Promise<void> {
  const { data, out, vocabulary, kind, json } = options;
  const note = reporter(json);
  const source = await openSource(data, {
    onBadLine: options.skipBadLines === true ? 'skip' : 'refuse',
    onSkip: ({ where, summary }) => note(`Left out ${where}: ${summary}`),
  });
  const documents: Document[] = [];
  let textBytes = 0;
  for await (const document of source.documents()) {
    documents.push(document);
    textBytes += Buffer.byteLength(document.text);
  }
  if (textBytes === 0) {
    throw new InputError('the data holds no text', { where: data, hint: 'Is it the right file or folder?' });
  }
  const progress = progressLine(json, 'tokenizer', { unit: kind === 'unigram' ? 'pieces' : 'merges' });
  const started = performance.now();
  const tokenizer = await trainKind(documents, { kind, vocabulary, textBytes }, note, (done) => progress.update(done));
  progress.finish();
  const seconds = (performance.now() - started) / 1000;
  saveTokenizer(tokenizer, out);
  let tokens = 0;
  let sampledBytes = 0;
  for (const { text } of documents) {
    if (sampledBytes > 1e6) break;
    sampledBytes += Buffer.byteLength(text);
    tokens += tokenizer.encode(text).length;
  }
  const bytesPerToken = sampledBytes / Math.max(tokens, 1);
  const { kind: made, vocabularySize } = tokenizer;
  if (json === true) {
    writeRecord({ event: 'result', tokenizer: out, kind: made, vocabularySize, bytesPerToken, textBytes, seconds });
    return;
  }
  writeLine(`${made}, ${vocabularySize} tokens, ${bytesPerToken.toFixed(2)} bytes a token: ${out}`);
}

/** Trains the kind that was asked for. @param onDone told of merges learned, or of pieces left. */
async function trainKind(
  documents: readonly Document[],
  choice: { readonly kind: TrainOptions['kind']; readonly vocabulary: number | undefined; readonly textBytes: number },
  note: (text: string) => void,
  onDone: (count: number) => void,
): Promise<Tokenizer> {
  const { kind, vocabulary, textBytes } = choice;
  if (kind !== 'wordpiece' && kind !== 'unigram') {
    const onProgress = ({ merges }: { readonly merges: number }): void => onDone(merges);
    return trainTokenizerFor(documents, { kind, vocabularySize: vocabulary }, { note, onProgress });
  }
  const texts = documents.map(({ text }) => text);
  const vocabularySize = vocabulary ?? suggestedVocabulary(textBytes);
  if (kind === 'unigram') {
    const { trainUnigram } = await import('../../tokenizer/unigram-training.js');
    const specialTokens = CHAT_SPECIAL_TOKENS;
    return trainUnigram(texts, { vocabularySize, specialTokens, onProgress: ({ pieces }) => onDone(pieces) });
  }
  const { trainWordPiece } = await import('../../tokenizer/wordpiece-training.js');
  return trainWordPiece(texts, { vocabularySize, onProgress: ({ merges }) => onDone(merges) });
}

/** One token of a text as people can read it. */
interface Piece {
  readonly id: number;
  readonly text: string;
  readonly bytes: number;
}

/** A token's text; bytes that are no whole character as `<0xE4>`. */
function pieceText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Array.from(bytes, (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`).join('');
  }
}

/** What a folder that holds a tokenizer has one of. */
const TOKENIZER_FILES = ['tokenizer.json', 'vocab.txt', 'vocab.json', 'spiece.model', 'tokenizer.model'];

/** The tokenizer of a folder or file that holds one, of a run that has no model yet, or of any model. */
async function tokenizerOf(place: string): Promise<Tokenizer> {
  for (const candidate of [place, path.join(place, 'tokenizer')]) {
    if (TOKENIZER_FILES.some((name) => existsSync(path.join(candidate, name)))) return loadTokenizer(candidate);
  }
  if (place.endsWith('.json')) return loadTokenizer(place);
  const { loadAnyModel } = await import('../../models/load.js');
  return (await loadAnyModel(place)).tokenizer;
}

async function inspect(place: string, text: string, flags: PlaceFlags): Promise<void> {
  const { json } = flags;
  if (text === '')
    throw new InputError('there is no text to cut', { where: 'text', expected: 'a text that is not empty' });
  const tokenizer = await tokenizerOf(await bringModel(place, flags));
  const pieces = Array.from(tokenizer.encode(text, { allowSpecial: true }), (id): Piece => {
    const bytes = tokenizer.tokenBytes(id);
    return { id, text: pieceText(bytes), bytes: bytes.length };
  });
  const textBytes = Buffer.byteLength(text);
  // Of white space alone, some kinds keep nothing.
  const bytesPerToken = textBytes / Math.max(pieces.length, 1);
  const { kind, vocabularySize } = tokenizer;
  if (json === true) {
    writeRecord({ kind, vocabularySize, tokens: pieces.map((piece) => ({ ...piece })), textBytes, bytesPerToken });
    return;
  }
  const columns = ['token', { title: 'id', align: 'right' }, { title: 'bytes', align: 'right' }] as const;
  writeLine(
    textTable(
      columns,
      pieces.map((piece) => [JSON.stringify(piece.text), String(piece.id), String(piece.bytes)]),
    ),
  );
  writeLine(
    `${pieces.length} tokens, ${textBytes} bytes, ${bytesPerToken.toFixed(2)} bytes a token (${kind}, vocabulary ${vocabularySize})`,
  );
}
