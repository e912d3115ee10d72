import { beforeAll, describe, expect, it } from 'vitest';
import { characterTokenizer } from '../../test/bigram-model.js';
import { DEFAULT_CHAT_TEMPLATE } from '../tokenizer/chat-template.js';
import { tokenizerFromJson } from '../tokenizer/file.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { Candidate } from './candidate.js';
import { verify } from './verify.js';
import { divergenceOf } from './verify-outputs.js';
import { verificationText } from './verify-report.js';
import { HARD_TEXTS } from './verify-texts.js';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await characterTokenizer();
});

/** A wave for every pair of tokens; `change` is applied to each number. */
function logitsOf(ids: readonly number[], size: number, change: (logit: number, i: number) => number): Float32Array {
  return Float32Array.from({ length: ids.length * size }, (_, i) => {
    const row = Math.floor(i / size);
    return change(5 * Math.sin(ids[row]! * 1.7 + (i % size) * 0.9 + row * 0.3), i);
  });
}

function candidate(changes: Partial<Candidate> & { change?: (logit: number, i: number) => number } = {}): Candidate {
  const { change = (logit: number) => logit, ...rest } = changes;
  const size = tokenizer.vocabularySize;
  const outputs = async (ids: readonly number[]): Promise<Float32Array> => logitsOf(ids, size, change);
  return {
    name: 'wave',
    kind: 'decoder',
    tokenizer,
    chatTemplate: DEFAULT_CHAT_TEMPLATE,
    vocabularySize: size,
    positions: 256,
    outputs,
    greedy: async (ids, tokens) => {
      const all = [...ids];
      for (let i = 0; i < tokens; i++) {
        const row = (await outputs(all)).subarray(-size);
        all.push(row.indexOf(Math.max(...row)));
      }
      return all.slice(ids.length);
    },
    release: async () => {},
    ...rest,
  };
}

/** The tokenizer with other ids for some texts. */
function altered(change: (ids: Int32Array, text: string) => Int32Array): Tokenizer {
  return new Proxy(tokenizer, {
    get: (target, key) =>
      key === 'encode'
        ? (text: string, options: object) => change(target.encode(text, options), text)
        : Reflect.get(target, key, target),
  });
}

describe('two models held against each other', () => {
  it('are equal where they are the same', async () => {
    const found = await verify(candidate(), candidate(), { tokens: 6 });
    expect(found.verdict).toBe('equal');
    expect(found.outputs).toMatchObject({ largestDifference: 0, divergence: 0, topAgreement: 1 });
    expect(found.greedy).toMatchObject({ verdict: 'equal', partings: [] });
    expect(found.tokenizer.texts).toBeGreaterThanOrEqual(HARD_TEXTS.length);
    expect(found.chat).toMatchObject({ verdict: 'equal', differences: [] });
    expect(verificationText(found)).toContain('EQUAL');
  });

  it('differ where two ids are exchanged that no text of the comparison holds', async () => {
    const json = tokenizer.toJson() as { model: { vocab: { [piece: string]: number } } };
    const exchanged = structuredClone(json);
    const used = new Set(HARD_TEXTS.flatMap((text) => [...tokenizer.encode(text)]));
    const { specialTokens } = tokenizer;
    const rare = Object.entries(json.model.vocab).filter(([piece, id]) => !used.has(id) && !specialTokens.has(piece));
    const [[first, firstId], [second, secondId]] = rare.slice(-2) as [[string, number], [string, number]];
    Object.assign(exchanged.model.vocab, { [first]: secondId, [second]: firstId });
    const roles = { bos: '<|endoftext|>', eos: '<|end|>', pad: '<|endoftext|>' };
    const other = candidate({ tokenizer: tokenizerFromJson(exchanged as never, roles) });
    const { verdict, differing } = (await verify(candidate(), other, { tokens: 0 })).tokenizer;
    expect({ verdict, differing }).toEqual({ verdict: 'differs', differing: 2 });
  });

  it('may differ as far as float32 rounds, and not further', async () => {
    const rounded = await verify(candidate(), candidate({ change: (x, i) => x * (1 + 2e-5 * Math.sin(i)) }), {
      tokens: 0,
    });
    expect(rounded.outputs.verdict).toBe('equal');
    const off = candidate({ change: (x, i) => x + 5e-3 * Math.sin(i) });
    const precise = await verify(candidate(), off, { tokens: 0 });
    expect(precise.outputs).toMatchObject({ verdict: 'differs', largestDifference: expect.closeTo(5e-3, 4) });
    const half = await verify(candidate(), off, { tokens: 0, precision: 'float16' });
    expect(half.verdict).toBe('close');
  });

  it('differ whatever the precision where they have nothing to do with each other', async () => {
    const other = candidate({ change: (x, i) => 5 * Math.sin(i * i) + 0 * x });
    const { outputs, verdict } = await verify(candidate(), other, { tokens: 0, precision: '4-bit' });
    expect([outputs.verdict, verdict]).toEqual(['differs', 'differs']);
    expect(outputs.divergence).toBeGreaterThan(0.5);
    const broken = await verify(candidate(), candidate({ change: () => Number.NaN }), {
      tokens: 0,
      precision: '4-bit',
    });
    expect(broken.outputs.verdict).toBe('differs');
    const narrow = candidate({ outputs: async (ids) => new Float32Array(ids.length * 3) });
    expect((await verify(candidate(), narrow, { tokens: 0 })).outputs).toMatchObject({
      verdict: 'differs',
      reason: expect.stringContaining('3'),
    });
  });

  it('differ in one id of one text', async () => {
    const other = altered((ids, text) => (text === '中文' ? ids.map((id, i) => (i === 0 ? id + 1 : id)) : ids));
    const found = await verify(candidate(), candidate({ tokenizer: other }), { tokens: 0 });
    expect(found.verdict).toBe('differs');
    expect(found.tokenizer).toMatchObject({ verdict: 'differs', differing: 4 });
    expect(found.tokenizer.differences[0]).toMatchObject({ text: '中文', way: 'plain' });
    expect(verificationText(found)).toContain('tokenizer, plain, "中文"');
    const own = await verify(
      candidate(),
      candidate({ tokenizer: altered((ids, text) => (text === 'mine' ? ids.slice(1) : ids)) }),
      { tokens: 0, texts: ['mine'] },
    );
    expect(own.tokenizer.differing).toBe(4);
  });

  it('tell ties from mistakes in what they go on with', async () => {
    // Two tokens as likely as each other, at every place; then one of them a little likelier.
    const size = tokenizer.vocabularySize;
    const flat = (lead: number) => async (ids: readonly number[]) =>
      Float32Array.from({ length: ids.length * size }, (_, i) => (i % size === 7 ? 4 : i % size === 9 ? 4 - lead : 0));
    const writes = (id: number) => async (_: readonly number[], tokens: number) => new Array<number>(tokens).fill(id);
    const model = (id: number, lead: number): Candidate => candidate({ outputs: flat(lead), greedy: writes(id) });
    const tie = await verify(model(7, 0), model(9, 0), { tokens: 4 });
    expect(tie.greedy).toMatchObject({ verdict: 'equal', same: 0 });
    expect(tie.greedy!.partings[0]).toMatchObject({ at: 0, isTie: true, margin: 0, a: { id: 7 }, b: { id: 9 } });
    // The second model writes what its own outputs do not say: a broken cache, which no precision explains.
    const broken = await verify(model(7, 1), model(9, 1), { tokens: 4, precision: '4-bit' });
    expect(broken.greedy!.partings[0]).toMatchObject({ isTie: false, isConsistent: false, margin: 1 });
    expect(broken.verdict).toBe('differs');
  });

  it('write chats by the same template', async () => {
    const other = candidate({ chatTemplate: DEFAULT_CHAT_TEMPLATE.replace("'<|end|>'", "'<|end|>\\n'") });
    const found = await verify(candidate(), other, { tokens: 0 });
    expect(found.chat!.verdict).toBe('differs');
    expect(found.chat!.differences.map(({ what }) => what)).toContain('ids');
    const ended = candidate({
      chatTemplate: `${DEFAULT_CHAT_TEMPLATE}{% if not add_generation_prompt %} {% endif %}`,
    });
    const { differences } = (await verify(candidate(), ended, { tokens: 0 })).chat!;
    expect(new Set(differences.map(({ conversation }) => conversation))).toEqual(new Set(['a whole chat']));
    const lost = await verify(candidate(), candidate({ chatTemplate: undefined }), { tokens: 0 });
    expect(lost.chat!.verdict).toBe('differs');
    const neither = candidate({ chatTemplate: undefined });
    expect((await verify(neither, neither, { tokens: 0 })).chat).toBeUndefined();
  });

  it('must be of one kind', async () => {
    await expect(verify(candidate(), candidate({ kind: 'encoder' }))).rejects.toThrow(/a decoder[\s\S]*an encoder/);
  });

  it('have a divergence as the formula says', () => {
    const [a, b] = [Float32Array.of(Math.log(0.5), Math.log(0.5)), Float32Array.of(Math.log(0.25), Math.log(0.75))];
    expect(divergenceOf(a, b)).toBeCloseTo(0.5 * Math.log(2) + 0.5 * Math.log(2 / 3), 6);
  });
});
