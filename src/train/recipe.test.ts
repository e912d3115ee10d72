import { describe, expect, it } from 'vitest';
import { loadRecipe } from '../util/schema.js';
import { resolvePretrain } from './pretrain-recipe.js';
import { DEFAULT_TRAIN_SETTINGS, RESUMABLE_KEYS } from './recipe.js';
import { pretrainRecipeSchema, recipeWords, sftRecipeSchema } from './recipe-schema.js';

const recipeOf = async (...words: string[]) => {
  const { file, overrides } = recipeWords(words);
  return loadRecipe(file, overrides, pretrainRecipeSchema);
};
const facts = { trainingTokens: 500_000, vocabularySize: 512 };

describe('recipes', () => {
  it('take keys with and without their group', async () => {
    const recipe = await recipeOf('steps=7', 'model.width=64', 'vocabularySize=300', 'seed=4');
    expect(recipe).toMatchObject({
      seed: 4,
      train: { steps: 7 },
      model: { width: 64 },
      tokenizer: { vocabularySize: 300 },
    });
  });

  it.each([
    [['stesp=7'], 'Did you mean steps?'],
    [['train.stesp=7'], 'Did you mean train.steps?'],
    [['a.yaml', 'b.yaml'], 'neither a recipe nor an override'],
    [['no-such.yaml'], 'no such file'],
    [['steps=0'], 'at least 1'],
    [['steps=many'], 'expected: number'],
    [['optimizer=adam'], '"adamw" or "muon" or "sgd"'],
  ])('refuse %j', async (words, message) => {
    await expect(recipeOf(...words)).rejects.toThrow(message);
  });

  it.each(['small', 'chinese-verse'])('recipes/%s.yaml can be used', async (name) => {
    const recipe = await recipeOf(`recipes/${name}.yaml`);
    const { train, model } = resolvePretrain(recipe, facts);
    expect(train.columns).toBeLessThanOrEqual(model.positions);
  });

  it('for chats have no model', async () => {
    await expect(loadRecipe(undefined, ['model.width=3'], sftRecipeSchema)).rejects.toThrow('unknown key "model"');
  });

  it('name every setting, and only settings may change in a stopped run', () => {
    const keys = Object.keys(pretrainRecipeSchema.shape.train.unwrap().shape);
    expect(keys.filter((key) => !['threads', 'evaluateTokens'].includes(key))).toEqual(
      Object.keys(DEFAULT_TRAIN_SETTINGS),
    );
    for (const key of RESUMABLE_KEYS) expect(keys).toContain(key.replace('train.', ''));
  });
});

describe('what a recipe leaves open', () => {
  it('grows with the text', async () => {
    const recipe = await recipeOf();
    const widths = [1000, 100_000, 1e6, 5e6, 1e9].map(
      (trainingTokens) => resolvePretrain(recipe, { trainingTokens, vocabularySize: 300 }).model.width,
    );
    expect(widths).toEqual([64, 96, 128, 256, 384]);
    const short = resolvePretrain(recipe, { trainingTokens: 300, vocabularySize: 300 });
    expect(short.train.columns).toBe(16);
    expect(short.train.steps).toBe(100);
  });

  it('fits what is given', async () => {
    const { model } = resolvePretrain(await recipeOf('width=48'), facts);
    expect(model).toMatchObject({ width: 48, heads: 3, keyHeads: 3, hidden: 128, vocabularySize: 512 });
    expect(resolvePretrain(await recipeOf('positions=64'), facts).train.columns).toBe(64);
    expect(resolvePretrain(await recipeOf('columns=512'), facts).model.positions).toBe(512);
  });

  it.each([
    [['width=48', 'heads=5'], 'model.heads'],
    [['width=64', 'heads=4', 'keyHeads=3'], 'model.keyHeads'],
    [['width=7'], 'model.heads'],
  ])('refuses %j', async (words, where) => {
    const recipe = await recipeOf(...words);
    expect(() => resolvePretrain(recipe, facts)).toThrow(where);
  });
});
