import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bigramModel } from '../../../test/bigram-model.js';
import { TOOLS_FILE, toolsJson } from '../../llm/model-tools.js';
import { saveModel } from '../../models/save.js';

const dir = mkdtempSync(path.join(tmpdir(), 'athanor-chat-'));
const [chats, completes] = [path.join(dir, 'chats'), path.join(dir, 'completes')];
afterAll(() => rmSync(dir, { recursive: true, force: true }));

beforeAll(async () => {
  const parts = await bigramModel((tokenizer) => {
    const ids = (text: string): number[] => Array.from(tokenizer.encode(text, { allowSpecial: true }));
    const [assistant, call, end] = ['<|assistant|>', '<|call|>', '<|end|>'].map((text) => ids(text)[0]!);
    // A call of `lookup` with a word whose letters follow from each other as those of the name do.
    const name = ids('lokup ');
    return [
      [assistant!, call!, ...name, ...ids('cat'), end!],
      [assistant!, ...ids('Yes.'), end!],
    ];
  }, 512);
  await saveModel(chats, parts);
  writeFileSync(path.join(chats, TOOLS_FILE), toolsJson(['lookup']));
  await saveModel(completes, { ...parts, chatTemplate: undefined });
}, 60_000);

/** Runs the command as a user does, with lines on its standard input. */
async function chat(args: readonly string[], input: string) {
  const main = fileURLToPath(new URL('../main.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', main, 'chat', ...args, '--threads', '1']);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

it('answers the lines of standard input, and shows calls apart', async () => {
  const { code, out, err } = await chat([chats, '--temperature', '0'], 'cat\n\n/reset\nagain\n/quit\nnot read\n');
  // It calls as often as it may.
  const calls = '→ lokup cat\n← error: there is no tool lokup\n';
  expect(err).toBe(`${calls.repeat(2)}The conversation is forgotten.\n${calls.repeat(2)}`);
  expect([code, out]).toEqual([0, 'Yes.\nYes.\n']);
});

it('says that a model cannot chat', async () => {
  const { code, out, err } = await chat([completes, '--once', 'cat'], '');
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(/^athanor: .*no chat template\n.*athanor generate/);
});
