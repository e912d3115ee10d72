import { InputError } from '../util/errors.js';
import { sha256 } from '../util/files.js';
import type { ChatRecord, Document } from './document.js';
import { cutText } from './text-documents.js';

/** How much to hold out, and which draw. */
export interface SplitOptions {
  /** Share of the items to hold out, in [0, 1); each is drawn by its own hash, so the share is met on average. */
  readonly heldOutFraction: number;
  readonly seed: number;
}

/** Items to learn from, and items that nothing learns from. */
export interface Split<T> {
  readonly training: T[];
  readonly heldOut: T[];
}

/** Fewer characters than this teach nothing. */
const LEAST_CHARACTERS = 32;

function checkFraction(fraction: number): void {
  if (!(fraction >= 0 && fraction < 1)) {
    throw new InputError('the held-out share is out of range', { expected: 'at least 0, below 1', got: `${fraction}` });
  }
}

/**
 * A number in [0, 1) that depends on the text and the seed alone. White space does not count, so that copies of a text
 * that differ in it stay together.
 */
export function splitPosition(text: string, seed: number): number {
  const digest = sha256(`${seed}\n${text.replace(/\s+/g, ' ').trim()}`);
  return Number.parseInt(digest.slice(0, 12), 16) / 2 ** 48;
}

/**
 * Divides items by a hash of their key: items of one key are on one side, and an item's side does not change when
 * others are added. Where chance would leave a side empty, it is given the key nearest to it.
 */
export function splitItems<T>(items: Iterable<T>, keyOf: (item: T) => string, options: SplitOptions): Split<T> {
  checkFraction(options.heldOutFraction);
  const { heldOutFraction, seed } = options;
  const all = [...items];
  if (heldOutFraction === 0) return { training: all, heldOut: [] };
  const positions = all.map((item) => splitPosition(keyOf(item), seed));
  let lowest = 1;
  let highest = 0;
  for (const position of positions) {
    lowest = Math.min(lowest, position);
    highest = Math.max(highest, position);
  }
  if (all.length === 0 || lowest === highest) {
    throw new InputError('too little data to hold a part of it out', {
      expected: 'at least two different texts',
      got: all.length === 0 ? 'none' : `${all.length} of the same content`,
      hint: 'Give more data, or hold nothing out.',
    });
  }
  const side = (position: number): boolean =>
    position === lowest || (position !== highest && position < heldOutFraction);
  return {
    training: all.filter((_, index) => !side(positions[index]!)),
    heldOut: all.filter((_, index) => side(positions[index]!)),
  };
}

/** Cuts the only document there is into parts, so that some of it can be held out. */
function parts(document: Document): Document[] {
  const pieces = cutText(document.text, Math.max(LEAST_CHARACTERS, Math.floor(document.text.length / 32)));
  return pieces.map((text) => ({ text, origin: document.origin }));
}

/**
 * Divides documents into training and held-out text; equal texts are on one side, so no training example touches
 * held-out text. A single document is cut into parts first.
 * @param keyOf documents of one key are on one side; the text by default.
 * @throws {InputError} if there is no text, or too little to learn anything from.
 */
export function splitDocuments(
  documents: Iterable<Document>,
  options: SplitOptions,
  keyOf: (document: Document) => string = ({ text }) => text,
): Split<Document> {
  let all = [...documents];
  let characters = 0;
  for (const document of all) characters += document.text.trim().length;
  if (characters < LEAST_CHARACTERS) {
    throw new InputError(characters === 0 ? 'the data holds no text' : 'the data holds too little text to learn from', {
      ...(all[0] === undefined ? {} : { where: all[0].origin }),
      expected: `at least ${LEAST_CHARACTERS} characters, and many thousand for a useful model`,
      got: characters === 1 ? 'one character' : `${characters} characters`,
      hint: 'Give a larger text.',
    });
  }
  const first = all[0]!.text;
  if (options.heldOutFraction > 0 && all.every(({ text }) => text === first)) all = parts(all[0]!);
  return splitItems(all, keyOf, options);
}

/** What is asked first in a chat; all of it where nobody asks. */
export function questionOf({ messages }: ChatRecord): string {
  return messages.find(({ role }) => role === 'user')?.content ?? messages.map(({ content }) => content).join('\n');
}

/** Divides chats by what is asked first, so that no held-out question is trained on with another answer. */
export function splitChats(chats: Iterable<ChatRecord>, options: SplitOptions): Split<ChatRecord> {
  return splitItems(chats, questionOf, options);
}
