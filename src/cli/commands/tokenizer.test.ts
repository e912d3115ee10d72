import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { main } from '../program.js';

const folder = mkdtempSync(path.join(tmpdir(), 'athanor-tokenizer-command-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
});

/** The JSON lines that a command prints. */
async function lines(...words: string[]): Promise<{ [key: string]: unknown }[]> {
  let out = '';
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  expect(await main(['tokenizer', ...words, '--json'])).toBe(0);
  vi.restoreAllMocks();
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('athanor tokenizer', () => {
  it.each(['byte-bpe', 'character', 'wordpiece', 'unigram'])('trains and shows %s', async (kind) => {
    const corpus = path.join(folder, 'corpus.txt');
    const sentence = 'The furnace keeps a steady heat, and heating the furnace again takes time.\n';
    writeFileSync(corpus, sentence.repeat(20));
    const out = path.join(folder, kind);
    const size = kind === 'wordpiece' ? '80' : '290';
    const trained = await lines('train', '--data', corpus, '--out', out, '--kind', kind, '--vocabulary', size);
    expect(trained.at(-1)).toMatchObject({ event: 'result', kind });
    const [shown] = await lines('inspect', out, 'the furnace heats');
    expect(shown).toMatchObject({ kind, textBytes: 17 });
    const tokens = shown!.tokens as { readonly text: string }[];
    expect(
      tokens
        .map(({ text }) => text)
        .join('')
        .replace(/^ /, ''),
    ).toBe('the furnace heats');
  });
});
