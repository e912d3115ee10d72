import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { bertWords } from './bert-words.js';
import { listAt, mustBe, objectAt, textAt } from './json-fields.js';
import { readPattern } from './normalizer.js';

type JsonObject = { [key: string]: Json };

/** Told each piece, in order; `isStart`: the text begins with it. */
export type OnPiece = (piece: string, isStart: boolean) => void;

/** One step of `pre_tokenizer`: cuts a text into pieces and may leave some of it out. */
export interface PreTokenizer {
  /** As `tokenizer.json` says it. */
  readonly json: Json;
  cut(text: string, isStart: boolean, onPiece: OnPiece): void;
}

/** Cuts by several steps, each inside the pieces of the one before. */
export function cutBy(
  steps: readonly PreTokenizer[] | undefined,
  text: string,
  isStart: boolean,
  onPiece: OnPiece,
  from = 0,
): void {
  const step = steps?.[from];
  if (step === undefined) onPiece(text, isStart);
  else step.cut(text, isStart, (piece, starts) => cutBy(steps, piece, starts, onPiece, from + 1));
}

/** What becomes of the matches of a pattern. */
type Behavior = 'Removed' | 'Isolated' | 'MergedWithPrevious' | 'MergedWithNext' | 'Contiguous';
const BEHAVIORS: readonly Behavior[] = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'];

/** One of the stretches that a text consists of. */
interface Stretch {
  readonly start: number;
  end: number;
  readonly isMatch: boolean;
}

function stretchesOf(text: string, expression: RegExp, isInverted: boolean): Stretch[] {
  const stretches: Stretch[] = [];
  let from = 0;
  for (const match of text.matchAll(expression)) {
    if (match[0] === '') continue;
    if (match.index > from) stretches.push({ start: from, end: match.index, isMatch: isInverted });
    from = match.index + match[0].length;
    stretches.push({ start: match.index, end: from, isMatch: !isInverted });
  }
  if (from < text.length) stretches.push({ start: from, end: text.length, isMatch: isInverted });
  return stretches;
}

function merged(stretches: readonly Stretch[], behavior: Behavior): readonly Stretch[] {
  if (behavior === 'Removed') return stretches.filter(({ isMatch }) => !isMatch);
  if (behavior === 'Isolated') return stretches;
  const result: Stretch[] = [];
  let previous: Stretch | undefined;
  for (const stretch of stretches) {
    const joins =
      previous !== undefined &&
      (behavior === 'Contiguous'
        ? previous.isMatch === stretch.isMatch
        : behavior === 'MergedWithPrevious'
          ? stretch.isMatch && !previous.isMatch
          : previous.isMatch && !stretch.isMatch);
    if (joins) result.at(-1)!.end = stretch.end;
    else result.push({ ...stretch });
    previous = stretch;
  }
  return result;
}

/** A step that cuts at the matches of an expression (flags `gu`). */
export function splitting(json: Json, expression: RegExp, behavior: Behavior, isInverted = false): PreTokenizer {
  return {
    json,
    cut(text, isStart, onPiece) {
      for (const { start, end } of merged(stretchesOf(text, expression, isInverted), behavior)) {
        onPiece(text.slice(start, end), isStart && start === 0);
      }
    },
  };
}

const SPACES = /\p{White_Space}+/gu;
/** ASCII punctuation includes symbols such as `$` and `+`. */
const PUNCTUATION = /[!-/:-@[-`{-~\p{P}]/gu;
/** Words, and runs of what is neither word nor white space. */
const WORDS =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu;

type Reader = (part: JsonObject, where: string) => PreTokenizer;

/** What reads each type but ByteLevel and Metaspace, which belong to their models. */
const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['Split', readSplit],
  ['Digits', readDigits],
  ['Whitespace', (part) => splitting(part, WORDS, 'Removed', true)],
  ['WhitespaceSplit', (part) => splitting(part, SPACES, 'Removed')],
  ['Punctuation', (part, where) => splitting(part, PUNCTUATION, readBehavior(part, where))],
  ['BertPreTokenizer', bertWords],
  ['CharDelimiterSplit', readDelimiter],
]);

/**
 * The steps of a `pre_tokenizer`, sequences laid out flat, as `{ type, … }` each.
 *
 * @throws {InputError} naming the place, if it is damaged.
 */
export function stepsOf(value: Json | undefined, where = 'pre_tokenizer'): JsonObject[] {
  if (value === undefined || value === null) return [];
  const part = objectAt(value, where);
  if (part.type !== 'Sequence') return [part];
  if (where.split('[').length > 8) throw new InputError('sequences lie too deep in one another', { where });
  return listAt(part.pretokenizers, `${where}.pretokenizers`).flatMap((step, i) =>
    stepsOf(objectAt(step, `${where}.pretokenizers[${i}]`), `${where}.pretokenizers[${i}]`),
  );
}

/** Steps as one `pre_tokenizer`. */
export function stepsToJson(steps: readonly PreTokenizer[]): Json {
  if (steps.length === 0) return null;
  return steps.length === 1 ? steps[0]!.json : { type: 'Sequence', pretokenizers: steps.map(({ json }) => json) };
}

/** @throws {InputError} naming the place, if the step is damaged or of a type that is not supported here. */
export function readPreTokenizer(part: JsonObject, where = 'pre_tokenizer'): PreTokenizer {
  const reader = typeof part.type === 'string' ? READERS.get(part.type) : undefined;
  if (reader === undefined) {
    throw new InputError('this pre-tokenizer is not supported here', {
      where: `${where}.type`,
      expected: [...READERS.keys()].join(', '),
      got: JSON.stringify(part.type ?? null),
    });
  }
  return reader(part, where);
}

function readBehavior(part: JsonObject, where: string): Behavior {
  if (part.behavior === undefined) return 'Isolated';
  mustBe(part.behavior, BEHAVIORS, `${where}.behavior`);
  return part.behavior as Behavior;
}

function readSplit(part: JsonObject, where: string): PreTokenizer {
  mustBe(part.invert, [undefined, true, false], `${where}.invert`);
  const expression = readPattern(part.pattern, `${where}.pattern`);
  return splitting(part, expression, readBehavior(part, where), part.invert === true);
}

function readDigits(part: JsonObject, where: string): PreTokenizer {
  mustBe(part.individual_digits, [undefined, true, false], `${where}.individual_digits`);
  return splitting(part, /\p{N}/gu, part.individual_digits === true ? 'Isolated' : 'Contiguous');
}

function readDelimiter(part: JsonObject, where: string): PreTokenizer {
  return splitting(part, readPattern({ String: textAt(part.delimiter, `${where}.delimiter`) }, where), 'Removed');
}
