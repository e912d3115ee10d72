import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { renderMarkdown } from '../evaluate/report-card-markdown.js';
import { loadModel } from '../models/load.js';
import { Random } from '../util/random.js';
import { forge } from './forge.js';
import type { ForgeOptions } from './workshop.js';

/** Sentences of a small grammar: a text whose laws a tiny model learns in seconds. */
function writeTexts(folder: string): string {
  const random = new Random(5, 'sentences');
  const pick = (words: string): string => random.pick(words.split(' '));
  const rows = Array.from({ length: 1500 }, () => {
    const animal = pick('cat dog cow hen fox');
    const color = pick('red blue green black');
    return JSON.stringify({
      text: `The ${color} ${animal}\nThe ${color} ${animal} ${pick('sees eats likes')} a ${pick('fish bird worm')}.`,
    });
  });
  const file = path.join(folder, 'texts.jsonl');
  writeFileSync(file, rows.join('\n'));
  return file;
}

test('forges a model from a text within its time, stops when asked, and goes on', { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'athanor-forge-'));
  const stop = new AbortController();
  const said: string[] = [];
  const options: ForgeOptions = {
    minutes: 0.25,
    data: writeTexts(folder),
    out: path.join(folder, 'run'),
    seed: 1,
    threads: 1,
    signal: stop.signal,
    progress: { stream: { write: () => true } },
    say: (line) => {
      said.push(line);
      if (line.startsWith('Counting 5')) stop.abort();
    },
  };
  expect(await forge(options)).toBeUndefined();
  expect(existsSync(path.join(folder, 'run', 'model'))).toBe(false);

  const start = performance.now();
  // The number of threads may be another now.
  const result = await forge({ ...options, threads: 2, signal: new AbortController().signal });
  expect((performance.now() - start) / 1000).toBeLessThan(60);
  const { card, model } = result!;
  expect(card.stages.map(({ name }) => name)).toEqual(['tokenizer', 'pretraining', 'instruction tuning']);
  const [bits] = card.stages[1]!.metrics;
  expect(bits!.after!).toBeLessThan(bits!.before! / 2);
  expect(bits!.baseline!.map(({ name }) => name)).toEqual(['trigram', '5-gram']);
  expect(card.machine.threads).toBe(2);
  expect(JSON.parse(readFileSync(path.join(folder, 'run', 'tune', 'run.json'), 'utf8')).recipe.threads).toBe(2);
  expect(renderMarkdown(card)).toContain('bits per byte');
  expect((await loadModel(model)).model.size).toBe(card.settings!.weights);
  expect(JSON.parse(readFileSync(path.join(folder, 'run', 'run.json'), 'utf8')).state).toBe('finished');
});
