import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { idAt, listAt, objectAt, textAt } from './json-fields.js';

/** Puts the special tokens around a text that a model was trained to see there. */
export interface PostProcessor {
  /** As `post_processor` of `tokenizer.json`. */
  readonly json: Json;
  /** The ids of one text with the tokens around them. */
  apply(ids: Int32Array): Int32Array;
}

/** Leaves ids as they are. */
export const NO_POST_PROCESSOR: PostProcessor = { json: null, apply: (ids) => ids };

/** More tokens around a text than any file has. */
const MOST_TOKENS = 64;

interface Surroundings {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/**
 * The `post_processor` of a `tokenizer.json`: TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel (which
 * adds nothing) and sequences of them.
 *
 * @param vocabulary every token to its id; a token that is put in must be there.
 * @throws {InputError} naming the place, if it is damaged or of another type.
 */
export function readPostProcessor(value: Json | undefined, vocabulary: ReadonlyMap<string, number>): PostProcessor {
  if (value === undefined || value === null) return NO_POST_PROCESSOR;
  const known = new Set(vocabulary.values());
  const { before, after } = surroundings(value, 'post_processor', (id, where) => {
    if (!known.has(id)) {
      throw new InputError('no token has this id', { where, expected: 'the id of a token', got: String(id) });
    }
    return id;
  });
  if (before.length + after.length === 0) return { json: value, apply: (ids) => ids };
  return {
    json: value,
    apply(ids) {
      const all = new Int32Array(before.length + ids.length + after.length);
      all.set(before);
      all.set(ids, before.length);
      all.set(after, before.length + ids.length);
      return all;
    },
  };
}

type Check = (id: number, where: string) => number;

function surroundings(value: Json | undefined, where: string, check: Check): Surroundings {
  const part = objectAt(value, where);
  if (part.type === 'ByteLevel') return { before: [], after: [] };
  if (part.type === 'BertProcessing' || part.type === 'RobertaProcessing') {
    const id = (key: string): number => {
      const pair = listAt(part[key], `${where}.${key}`);
      textAt(pair[0], `${where}.${key}[0]`);
      return check(idAt(pair[1], `${where}.${key}[1]`, 2 ** 31), `${where}.${key}`);
    };
    return { before: [id('cls')], after: [id('sep')] };
  }
  if (part.type === 'TemplateProcessing') return templateSurroundings(part, where, check);
  if (part.type === 'Sequence') {
    let [before, after]: number[][] = [[], []];
    listAt(part.processors, `${where}.processors`).forEach((processor, i) => {
      const outer = surroundings(processor, `${where}.processors[${i}]`, check);
      before = [...outer.before, ...before!];
      after = [...after!, ...outer.after];
      checkLength(before.length + after.length, where);
    });
    return { before: before!, after: after! };
  }
  throw new InputError('this post-processor is not supported', {
    where: `${where}.type`,
    expected: 'TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or a Sequence of them',
    got: JSON.stringify(part.type ?? null),
  });
}

function templateSurroundings(part: { [key: string]: Json }, where: string, check: Check): Surroundings {
  const [before, after]: [number[], number[]] = [[], []];
  const specials = objectAt(part.special_tokens, `${where}.special_tokens`);
  let sequences = 0;
  listAt(part.single, `${where}.single`).forEach((value, i) => {
    const place = `${where}.single[${i}]`;
    const piece = objectAt(value, place);
    if (piece.Sequence !== undefined) {
      sequences++;
      return;
    }
    const name = textAt(objectAt(piece.SpecialToken, place).id, `${place}.SpecialToken.id`);
    const token = Object.hasOwn(specials, name) ? specials[name] : undefined;
    const home = `${where}.special_tokens[${JSON.stringify(name)}]`;
    for (const id of listAt(objectAt(token, home).ids, `${home}.ids`)) {
      (sequences === 0 ? before : after).push(check(idAt(id, `${home}.ids`, 2 ** 31), home));
      checkLength(before.length + after.length, where);
    }
  });
  if (sequences !== 1) {
    throw new InputError('the template must hold the text once', {
      where: `${where}.single`,
      got: `${sequences} times`,
    });
  }
  return { before, after };
}

function checkLength(length: number, where: string): void {
  if (length > MOST_TOKENS) {
    throw new InputError('puts too many tokens around a text', { where, expected: `at most ${MOST_TOKENS}` });
  }
}

/** Puts tokens before and after every text, as the published files say it. */
export function surroundWith(
  before: readonly (readonly [content: string, id: number])[],
  after: readonly (readonly [content: string, id: number])[],
): PostProcessor {
  const special = ([content]: readonly [string, number], type: number): Json => ({
    SpecialToken: { id: content, type_id: type },
  });
  const around = (name: string, type: number): Json[] => [
    ...before.map((token) => special(token, type)),
    { Sequence: { id: name, type_id: type } },
    ...after.map((token) => special(token, type)),
  ];
  const tokens = [...before, ...after];
  const json: Json = {
    type: 'TemplateProcessing',
    single: around('A', 0),
    pair: [...around('A', 0), ...around('B', 1)],
    special_tokens: Object.fromEntries(
      tokens.map(([content, id]) => [content, { id: content, ids: [id], tokens: [content] }]),
    ),
  };
  return readPostProcessor(json, new Map(tokens));
}
