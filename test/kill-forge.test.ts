import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Random } from '../src/util/random.js';
import { athanor, linesOf, Running } from './athanor-process.js';

const dir = fs.mkdtempSync(path.join(tmpdir(), 'athanor-kill-forge-'));
afterAll(() => fs.rmSync(dir, { recursive: true, force: true }));

/** Sentences of a small grammar. */
function writeTexts(file: string): void {
  const random = new Random(5, 'sentences');
  const pick = (words: string): string => random.pick(words.split(' '));
  const rows = Array.from({ length: 1500 }, () => {
    const thing = `${pick('red blue green black')} ${pick('cat dog cow hen fox')}`;
    return JSON.stringify({
      text: `The ${thing}\nThe ${thing} ${pick('sees eats likes')} a ${pick('fish bird worm')}.`,
    });
  });
  fs.writeFileSync(file, rows.join('\n'));
}

it('a forge that is killed in every stage goes on with the same command and ends', { timeout: 150_000 }, async () => {
  const data = path.join(dir, 'texts.jsonl');
  const out = path.join(dir, 'run');
  const at = (...parts: string[]): string => path.join(out, ...parts);
  writeTexts(data);
  const command = ['forge', '--data', data, '--out', out, '--minutes', '0.25', '--threads', '1', '--no-chat'];
  const stepsOf = (stage: string): number[] =>
    linesOf(at(stage, 'metrics.jsonl')).flatMap((line) => {
      const row = JSON.parse(line) as { step: number; loss?: number };
      return row.loss === undefined ? [] : [row.step];
    });
  const moments: readonly (readonly [stage: string, reached: () => boolean])[] = [
    ['tokenizer', () => fs.existsSync(at('run.json'))],
    ['pretrain', () => stepsOf('pretrain').length >= 5],
    ['tune', () => stepsOf('tune').length >= 5],
  ];
  const begun = performance.now();
  for (const [stage, reached] of moments) {
    const forge = new Running(command);
    expect(await forge.until(reached), `${stage}: ${forge.err}`).toBe(true);
    expect(await forge.kill(), stage).toBe(true);
    const finished = fs.existsSync(at('forge.json'))
      ? Object.keys(JSON.parse(fs.readFileSync(at('forge.json'), 'utf8')))
      : [];
    expect(finished, 'killed inside the stage').not.toContain(stage);
    expect(fs.existsSync(at('model'))).toBe(false);
  }
  const last = athanor(command, { timeoutSeconds: 100 });
  expect(last.code, last.err).toBe(0);
  process.stdout.write(`killed three times, in all ${((performance.now() - begun) / 1000).toFixed(1)} s of 15\n`);

  expect((JSON.parse(fs.readFileSync(at('run.json'), 'utf8')) as { state: string }).state).toBe('finished');
  expect(last.out).toContain('bits per byte');
  expect(fs.existsSync(at('report.md'))).toBe(true);
  for (const stage of ['pretrain', 'tune']) {
    const steps = stepsOf(stage);
    expect(steps.length).toBeGreaterThan(0);
    expect(steps).toEqual(Array.from({ length: steps.length }, (_, i) => i + 1));
  }
  expect(fs.readdirSync(out).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  const said = athanor(['generate', at('model'), '--prompt', 'The red', '--max-tokens', '8', '--temperature', '0']);
  expect(said.code, said.err).toBe(0);
  const asked = athanor(['chat', at('model'), '--once', 'The red cat', '--max-tokens', '8', '--temperature', '0']);
  expect(asked.code, asked.err).toBe(0);
});
