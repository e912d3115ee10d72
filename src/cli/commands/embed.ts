import { type Command, Option } from 'commander';
import { Embedder } from '../../llm/embedder.js';
import { fillMask } from '../../llm/fill-mask.js';
import { Bert } from '../../models/bert.js';
import { loadAnyModel } from '../../models/load.js';
import { cpu } from '../../runtime/device.js';
import { InputError } from '../../util/errors.js';
import { textTable } from '../../util/table.js';
import { cutToWidth } from '../../util/table-width.js';
import { formatPercent } from '../../util/units.js';
import { bringModel, MODEL_PLACES, offlineOption, type PlaceFlags } from '../model-place.js';
import { addExamples, jsonOption, repeated, wholeNumber } from '../options.js';
import { writeLine, writeRecord } from '../output.js';
import { linesOf } from '../verification.js';

interface EmbedFlags extends PlaceFlags {
  readonly text?: readonly string[];
  readonly file?: string;
  readonly fill?: string;
  readonly top: number;
  readonly threads?: number;
}

/** Texts of which a table of all pairs can be read. */
const MOST_PAIRED = 12;
const TEXT_COLUMNS = 40;

/** Declares `athanor embed`. */
export function configure(command: Command): void {
  command
    .description('Turn texts into vectors with an encoder such as BERT or MiniLM, and show how near they are.')
    .argument('<model>', MODEL_PLACES)
    .addOption(new Option('--text <text>', 'a text; may be given again').argParser(repeated))
    .option('--file <file>', 'texts, one a line')
    .option('--fill <text>', 'guess the words for each [MASK] of a text instead')
    .option('--top <count>', 'how many words for each [MASK]', wholeNumber({ min: 1, max: 1000 }), 5)
    .option('--threads <count>', 'threads of an operation; default: one a core', wholeNumber({ min: 1, max: 1024 }))
    .addOption(offlineOption())
    .addOption(jsonOption());
  addExamples(command, [
    'athanor embed hf:sentence-transformers/all-MiniLM-L6-v2 --text "a furnace" --text "an oven" --text "a cat"',
    'athanor embed hf:sentence-transformers/all-MiniLM-L6-v2 --file lines.txt --json',
    'athanor embed hf:google-bert/bert-base-uncased --fill "The furnace is very [MASK]."',
  ]);
}

/** Prints vectors of texts or how near they are, or fills masks. */
export async function run(place: string, flags: EmbedFlags): Promise<void> {
  const texts = [...(flags.text ?? []), ...(flags.file === undefined ? [] : linesOf(flags.file))];
  if (texts.length > 0 === (flags.fill !== undefined)) {
    throw new InputError(texts.length > 0 ? 'vectors or words: not both at once' : 'there is no text', {
      where: 'athanor embed',
      expected: '--text or --file for vectors, or --fill for words',
    });
  }
  const local = await bringModel(place, flags);
  const onDevice = flags.threads === undefined ? {} : { device: cpu({ threads: flags.threads }) };
  if (flags.fill !== undefined) return fill(local, flags.fill, flags);
  const embedder = await Embedder.load(local, onDevice);
  try {
    const vectors = await embedder.embed(texts);
    if (flags.json === true) {
      for (const [i, text] of texts.entries()) writeRecord({ text, vector: [...vectors[i]!] });
    } else writeLine(texts.length <= MOST_PAIRED ? pairTable(texts, vectors) : nearestTable(texts, vectors));
  } finally {
    await embedder.release();
  }
}

async function fill(place: string, text: string, { top, json, threads }: EmbedFlags): Promise<void> {
  const { model, tokenizer, architecture } = await loadAnyModel(place);
  if (!(model instanceof Bert)) {
    throw new InputError('this model does not fill masks', {
      where: place,
      expected: 'a BERT with a masked-word head',
      got: architecture.modelType,
    });
  }
  const places = await fillMask(model, tokenizer, text, {
    top,
    ...(threads === undefined ? {} : { device: cpu({ threads }) }),
  });
  for (const [at, found] of places.entries()) {
    if (json === true) writeRecord({ mask: at, tokens: found.map((token) => ({ ...token })) });
    else {
      const rows = found.map((token) => [token.text, formatPercent(token.probability)]);
      writeLine(
        textTable([places.length > 1 ? `mask ${at + 1}` : 'word', { title: 'probability', align: 'right' }], rows),
      );
    }
  }
}

/** Cosine of the angle between two vectors; 0 where one has no length. */
function cosine(a: Float32Array, b: Float32Array): number {
  let [product, lengthA, lengthB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!;
    lengthA += a[i]! ** 2;
    lengthB += b[i]! ** 2;
  }
  const lengths = Math.sqrt(lengthA * lengthB);
  return lengths === 0 ? 0 : product / lengths;
}

function pairTable(texts: readonly string[], vectors: readonly Float32Array[]): string {
  const columns = texts.map((_, i) => ({ title: `${i + 1}`, align: 'right' as const }));
  const rows = texts.map((text, i) => [
    `${i + 1}`,
    shown(text),
    ...vectors.map((vector) => cosine(vectors[i]!, vector).toFixed(3)),
  ]);
  return textTable([{ title: '', align: 'right' }, `cosine (${vectors[0]!.length} numbers a text)`, ...columns], rows);
}

function nearestTable(texts: readonly string[], vectors: readonly Float32Array[]): string {
  const rows = texts.map((text, i) => {
    let [best, nearest] = [Number.NEGATIVE_INFINITY, 0];
    for (const [j, vector] of vectors.entries()) {
      const found = j === i ? Number.NEGATIVE_INFINITY : cosine(vectors[i]!, vector);
      if (found > best) [best, nearest] = [found, j];
    }
    return [shown(text), shown(texts[nearest]!), best.toFixed(3)];
  });
  return textTable(['text', 'nearest', { title: 'cosine', align: 'right' }], rows);
}

/** The beginning of a text, without what would steer a terminal. */
function shown(text: string): string {
  return cutToWidth(text.replace(/\p{Cc}/gu, ' '), TEXT_COLUMNS);
}
