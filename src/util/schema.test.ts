import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { InputError } from './errors.js';
import { loadRecipe, parseConfig } from './schema.js';

const schema = z.object({
  seed: z.int().min(0).default(1),
  train: z
    .object({
      steps: z.int().positive().default(100),
      learningRate: z.number().default(1e-3),
      schedule: z.enum(['cosine', 'wsd']).optional(),
    })
    .prefault({}),
  stages: z.array(z.object({ name: z.string(), tokens: z.int() })).default([]),
});

function failure(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
  throw new Error('it did not fail');
}

describe('parseConfig', () => {
  it('fills in the defaults', () => {
    expect(parseConfig(schema, { train: { steps: 5 } }, 'recipe')).toEqual({
      seed: 1,
      train: { steps: 5, learningRate: 1e-3 },
      stages: [],
    });
  });

  it('names the nearest key for an unknown one, at any depth', () => {
    expect(failure(() => parseConfig(schema, { sed: 3 }, 'r.yaml'))).toMatch(
      /^r\.yaml: unknown key "sed"[\s\S]*mean seed\?/,
    );
    const deep = failure(() => parseConfig(schema, { train: { learning_rate: 3 } }, 'r.yaml'));
    expect(deep).toContain('r.yaml: train: unknown key "learning_rate"');
    expect(deep).toContain('Did you mean train.learningRate?');
    expect(failure(() => parseConfig(schema, { stages: [{ nam: 'a', tokens: 1 }] }, 'r'))).toContain('stages[0].name?');
  });

  it('looks for unknown keys under unions and records too', () => {
    const method = z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('adamw'), beta1: z.number() }),
      z.object({ kind: z.literal('sgd'), momentum: z.number() }),
    ]);
    const nested = z.record(z.string(), method);
    expect(failure(() => parseConfig(nested, { a: { kind: 'sgd', momentun: 1 } }, 'r'))).toContain('a.momentum?');
    expect(parseConfig(nested, { a: { kind: 'sgd', momentum: 1 } }, 'r')).toEqual({ a: { kind: 'sgd', momentum: 1 } });
  });

  it('says where, what was expected and what came', () => {
    const message = failure(() => parseConfig(schema, { train: { steps: 0, schedule: 'cosin' } }, 'r.yaml'));
    expect(message).toContain('r.yaml: train.steps');
    expect(message).toMatch(/expected: more than 0\n {2}got: {6}0/);
    expect(message).toContain('train.schedule: expected "cosine" or "wsd", got "cosin"');
    expect(failure(() => parseConfig(schema, 'x', 'r'))).toMatch(/expected: object\n {2}got: {6}"x"/);
    expect(failure(() => parseConfig(schema, { train: { steps: 1.5 } }, 'r'))).toContain('expected: a whole number');
  });

  it('leaves objects that are open alone', () => {
    expect(parseConfig(z.looseObject({ a: z.number() }), { a: 1, b: 2 }, 'r')).toEqual({ a: 1, b: 2 });
  });

  it('does not take keys of Object.prototype for keys of the recipe', () => {
    expect(failure(() => parseConfig(schema, JSON.parse('{"__proto__": {"seed": 2}}'), 'r'))).toContain('__proto__');
    expect(failure(() => parseConfig(schema, { constructor: 1 }, 'r'))).toContain('unknown key "constructor"');
  });
});

describe('loadRecipe', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'athanor-recipe-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };

  it('puts overrides over a YAML or JSON file, in order', async () => {
    const overrides = ['train.learningRate=3e-4', 'seed=2', 'seed=4', 'stages=[{name: a, tokens: 3}]'];
    const expected = { seed: 4, train: { steps: 7, learningRate: 3e-4 }, stages: [{ name: 'a', tokens: 3 }] };
    expect(await loadRecipe(file('a.yaml', 'train:\n  steps: 7\n'), overrides, schema)).toEqual(expected);
    expect(await loadRecipe(file('a.json', '{"train": {"steps": 7}}'), overrides, schema)).toEqual(expected);
  });

  it('needs no file', async () => {
    expect((await loadRecipe(undefined, ['train.steps=9'], schema)).train.steps).toBe(9);
    expect((await loadRecipe(file('empty.yaml', '# nothing\n'), [], schema)).seed).toBe(1);
  });

  it.each([
    [['steps'], 'not an override'],
    [['=3'], 'not an override'],
    [['a..b=3'], 'not an override'],
    [['__proto__.x=3'], 'not an override'],
    [['seed=3', 'seed.x=3'], 'seed has no keys'],
    [['train.step=3'], 'Did you mean train.steps?'],
    [['seed=[1'], 'cannot be read'],
  ])('refuses the overrides %j', async (overrides, message) => {
    await expect(loadRecipe(undefined, overrides, schema)).rejects.toThrow(message);
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false);
  });

  it('names the file and the line of a mistake', async () => {
    await expect(loadRecipe(path.join(folder, 'none.yaml'), [], schema)).rejects.toThrow(/none\.yaml: cannot read/);
    await expect(loadRecipe(file('b.yaml', 'a: 1\nb: [1\n'), [], schema)).rejects.toThrow(
      /b\.yaml:\d+: not valid YAML/,
    );
    await expect(loadRecipe(file('b.json', '{'), [], schema)).rejects.toThrow('b.json: not valid JSON');
    await expect(loadRecipe(file('c.yaml', '- 1\n'), [], schema)).rejects.toThrow('c.yaml: not a recipe');
  });

  it('is not brought down by aliases that multiply', async () => {
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 10; i++) {
      const [name, inner] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)];
      bomb.push(`${name}: &${name} [${Array(9).fill(`*${inner}`).join(', ')}]`);
    }
    await expect(loadRecipe(file('bomb.yaml', bomb.join('\n')), [], schema)).rejects.toThrow('not valid YAML');
  });
});
