import { existsSync } from 'node:fs';
import { packDocuments } from '../data/token-store.js';
import type { StageReport } from '../evaluate/report-card.js';
import { trainByteBpe, VocabularyTooLargeError } from '../tokenizer/byte-bpe-training.js';
import { trainCharacters } from '../tokenizer/characters.js';
import { CHAT_SPECIAL_TOKENS, DEFAULT_CHAT_TEMPLATE } from '../tokenizer/chat-template.js';
import { loadTokenizer, saveTokenizer } from '../tokenizer/file.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { Progress } from '../util/progress.js';
import { formatCount } from '../util/units.js';
import type { Material } from './material.js';
import type { Stores, Workshop } from './workshop.js';

function vocabularySizeFor(material: Material, minutes: number): number {
  const characters = material.training.reduce((sum, { text }) => sum + text.length, 0);
  if (material.tokenizerKind === 'character') return 4096;
  // About a merge for each 2,000 characters, a power of two; more for a forge that has hours.
  const wanted = Math.min(characters / 2000, minutes < 30 ? 2048 : minutes < 240 ? 4096 : 16_384);
  return 2 ** Math.round(Math.log2(Math.max(wanted, 512)));
}

export async function makeTokenizer({ options, run, state, material, elapsed }: Workshop): Promise<Tokenizer> {
  const folder = run.path('tokenizer');
  if (state.state.tokenizer && existsSync(folder)) return loadTokenizer(folder);
  const start = elapsed();
  const wanted = vocabularySizeFor(material, options.minutes);
  const progress = new Progress({ ...options.progress, label: 'tokenizer' });
  const sample = material.training.slice(0, 40_000).map(({ text }) => text);
  for (const { messages } of material.chats(4000)) sample.push(messages.map(({ content }) => content).join('\n'));
  const specialTokens = CHAT_SPECIAL_TOKENS;
  const build = (vocabularySize: number): Promise<Tokenizer> =>
    material.tokenizerKind === 'character'
      ? trainCharacters(sample, { maximumVocabularySize: vocabularySize, specialTokens })
      : trainByteBpe(sample, { vocabularySize, specialTokens });
  const tokenizer = await build(wanted).catch((error: unknown) => {
    if (error instanceof VocabularyTooLargeError) return build(error.largestVocabulary);
    throw error;
  });
  progress.finish({ vocabulary: tokenizer.vocabularySize });
  await saveTokenizer(tokenizer, folder, { chatTemplate: DEFAULT_CHAT_TEMPLATE });
  const text = material.heldOut
    .slice(0, 500)
    .map(({ text: document }) => document)
    .join('\n');
  const bytes = Buffer.byteLength(text);
  const report: StageReport = {
    name: 'tokenizer',
    summary: `${tokenizer.kind}, ${formatCount(tokenizer.vocabularySize)} tokens.`,
    cost: { seconds: elapsed() - start },
    metrics: [
      {
        name: 'bytes a token, held-out text',
        unit: 'bytes/token',
        before: 1,
        after: bytes / Math.max(1, tokenizer.encode(text).length),
        higherIsBetter: true,
      },
    ],
  };
  state.update({ tokenizer: report });
  return tokenizer;
}

export async function packTexts({ options, material }: Workshop, tokenizer: Tokenizer): Promise<Stores> {
  const progress = new Progress({ ...options.progress, label: 'encoding text' });
  const training = await packDocuments(material.training, tokenizer);
  const heldOut = await packDocuments(material.heldOut, tokenizer);
  progress.finish({ tokens: formatCount(training.ids.length) });
  return { training, heldOut };
}
