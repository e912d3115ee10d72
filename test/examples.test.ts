import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { exportAndProve } from '../examples/export-and-prove.js';
import { findSimilar } from '../examples/find-similar-texts.js';
import { continueText } from '../examples/generate-text.js';
import { fitLine } from '../examples/trace-and-differentiate.js';
import { trainTinyLlama } from '../examples/train-tiny-llama.js';
import { decodeModel } from '../src/onnx/reader.js';
import { sourceOf } from './source-files.js';

const folder = mkdtempSync(path.join(tmpdir(), 'athanor-examples-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('trace-and-differentiate finds the line', async () => {
  const { slope, intercept, costs, model } = await fitLine(40);
  expect(slope).toBeCloseTo(2, 3);
  expect(intercept).toBeCloseTo(1, 3);
  const early = costs.slice(0, 10);
  expect(early.every((cost, i) => i === 0 || cost < early[i - 1]!)).toBe(true);
  expect(decodeModel(model).graph.outputs).toHaveLength(2);
});

it('train-tiny-llama learns, and generate-text writes with what it saved', async () => {
  const model = path.join(folder, 'tiny');
  const losses = await trainTinyLlama({ text: sourceOf('LICENSE'), steps: 12, folder: model });
  expect(losses[0]).toBeCloseTo(Math.log(384), 0);
  expect(losses.at(-1)).toBeLessThan(losses[0]! - 0.5);

  const pieces: string[] = [];
  const continuation = { folder: model, prompt: 'You may', maxTokens: 12, onText: (text: string) => pieces.push(text) };
  const written = await continueText(continuation);
  expect(written).not.toBe('');
  expect(pieces.join('')).toBe(written);
  expect(await continueText(continuation)).toBe(written);

  const { verdict, report } = await exportAndProve(model, path.join(folder, 'tiny.gguf'));
  expect(verdict).toBe('close');
  expect(report).toContain('largest difference');
});

it('find-similar-texts puts the same text first', async () => {
  const model = fileURLToPath(new URL('fixtures/sentences/model', import.meta.url));
  const [first, second] = await findSimilar(model, 'a small cat', ['the dog is here', 'a small cat']);
  expect(first!.text).toBe('a small cat');
  expect(first!.similarity).toBeCloseTo(1, 5);
  expect(second!.similarity).toBeLessThan(0.9999);
});
