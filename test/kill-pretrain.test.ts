import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { listCheckpoints } from '../src/models/checkpoint-list.js';
import { Random } from '../src/util/random.js';
import { athanor, linesOf, pause, Running } from './athanor-process.js';

const KILLS = 20;
const STEPS = 170;
const dir = fs.mkdtempSync(path.join(tmpdir(), 'athanor-kill-'));
const at = (...parts: string[]): string => path.join(dir, ...parts);
beforeAll(() => {
  const random = new Random(1);
  const lines = Array.from({ length: 400 }, () => {
    const [a, b] = [random.integer(50), random.integer(50)] as const;
    return `${a} plus ${b} makes ${a + b}`;
  });
  fs.writeFileSync(at('corpus.txt'), lines.join('\n\n'));
});
afterAll(() => fs.rmSync(dir, { recursive: true, force: true }));

/** A checkpoint at nearly every step, so that many kills fall into the writing of one. */
const command = (out: string): string[] => [
  ...['pretrain', '--data', at('corpus.txt'), '--out', at(out), 'threads=1', 'width=16', 'layers=1', 'rows=4'],
  ...['columns=16', `steps=${STEPS}`, 'evaluateEverySteps=20', 'sampleEverySteps=0', 'checkpointSeconds=0.004'],
];

const withoutTime = (line: string): unknown => ({ ...(JSON.parse(line) as object), seconds: 0 });

it('a run that is killed at 20 random moments ends with the same weights', { timeout: 120_000 }, async () => {
  const whole = athanor(command('whole'));
  expect(whole.code, whole.err).toBe(0);

  const random = new Random(20, 'kills');
  const metrics = at('killed', 'metrics.jsonl');
  const lastStep = (): number => Number(/"step":(\d+)/.exec(linesOf(metrics).at(-1) ?? '')?.[1] ?? -1);
  const found = { kills: 0, inSaving: 0, inStart: 0, atEnd: 0 };
  while (found.kills < KILLS) {
    const before = lastStep();
    const run = new Running(command('killed'));
    // Every fifth kill falls anywhere into the first moments; the last ones into the end of the run; the others come
    // some steps after the run went on, so that there is progress between kills.
    const kind = found.kills >= KILLS - 2 ? 'end' : found.kills % 5 === 4 ? 'start' : 'steps';
    if (kind === 'start') await pause(800 * random.uniform());
    else {
      const steps = kind === 'end' ? STEPS : Math.min(Math.max(before, 0) + 1 + random.integer(10), STEPS);
      await run.until(() => lastStep() >= steps);
      await pause((kind === 'end' ? 15 : 12) * random.uniform());
    }
    if (!(await run.kill())) {
      expect(await run.ended, run.err).toBe(0);
      // It was done before the kill: as if it had come before the model was saved.
      fs.rmSync(at('killed', 'model'), { recursive: true });
      continue;
    }
    found.kills++;
    const leftovers = fs.existsSync(at('killed', 'checkpoints')) ? fs.readdirSync(at('killed', 'checkpoints')) : [];
    if (leftovers.some((name) => name.endsWith('.tmp'))) found.inSaving++;
    if (lastStep() === before) found.inStart++;
    if (lastStep() === STEPS) found.atEnd++;
  }
  process.stdout.write(
    `${found.kills} kills: ${found.inSaving} while saving, ${found.inStart} before the first new step, ${found.atEnd} after the last step\n`,
  );
  expect(found.inSaving).toBeGreaterThan(0);

  const last = athanor(command('killed'));
  expect(last.code, last.err).toBe(0);
  expect(last.err).toMatch(/Going on with the run in .* from step \d+/);
  for (const file of ['model.safetensors', 'tokenizer.json', 'config.json']) {
    const [killed, uninterrupted] = ['killed', 'whole'].map((run) => fs.readFileSync(at(run, 'model', file)));
    expect(killed!.equals(uninterrupted!), file).toBe(true);
  }
  expect(linesOf(metrics).map(withoutTime)).toEqual(linesOf(at('whole', 'metrics.jsonl')).map(withoutTime));
  const steps = linesOf(metrics).flatMap((line) => /^\{"step":(\d+),"loss"/.exec(line)?.[1] ?? []);
  expect(steps.map(Number)).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
  expect(listCheckpoints(at('killed')).at(-1)?.step).toBe(STEPS);
  // Nothing of the interruptions is left lying about.
  expect(
    fs
      .readdirSync(at('killed'))
      .filter((name) => !/^lock\./.test(name))
      .sort(),
  ).toEqual(fs.readdirSync(at('whole')).sort());
  expect(fs.readdirSync(at('killed', 'checkpoints')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});
