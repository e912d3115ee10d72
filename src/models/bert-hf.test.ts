import { describe, expect, it } from 'vitest';
import type { Json } from '../util/json.js';
import { Bert, type BertConfig } from './bert.js';
import { bertAlias, bertCopies, bertTensors, fittedBertConfig, isRedundantBertTensor } from './bert-hf.js';
import { readBertConfig, writeBertConfig } from './bert-hf-config.js';

const config: BertConfig = {
  vocabularySize: 30,
  width: 8,
  layers: 2,
  heads: 2,
  positions: 16,
  hidden: 12,
  types: 2,
  activation: 'gelu',
  epsilon: 1e-12,
  head: 'none',
  pooler: true,
  tiedHead: true,
  labels: [],
  problem: undefined,
};

const kinds: readonly (readonly [string, BertConfig])[] = [
  ['BertModel', config],
  ['BertModel', { ...config, pooler: false, activation: 'geluTanh' }],
  ['BertForMaskedLM', { ...config, head: 'maskedWords', pooler: false }],
  ['BertForMaskedLM', { ...config, head: 'maskedWords', pooler: false, tiedHead: false }],
  ['BertForSequenceClassification', { ...config, head: 'textClass', labels: ['no', 'yes', 'perhaps'] }],
  ['BertForSequenceClassification', { ...config, head: 'textClass', labels: ['score'], problem: 'regression' }],
  ['BertForTokenClassification', { ...config, head: 'tokenClass', pooler: false, labels: ['O', 'B', 'I'] }],
];

describe('the configuration', () => {
  it.each(kinds)('of a %s comes back as it was written', (name, wanted) => {
    const written = writeBertConfig(wanted);
    expect(written).toMatchObject({ architectures: [name], model_type: 'bert' });
    const held = new Set(bertTensors(wanted).map((place) => place.name));
    const read = readBertConfig(JSON.parse(JSON.stringify(written)), 'config.json');
    expect(fittedBertConfig(read, held)).toEqual(wanted);
    // It would take the argument of that name from the class of Hugging Face.
    expect(written).not.toHaveProperty('add_pooling_layer');
  });

  it.each(kinds)('of a %s names no copy that would be refused when read', (_, wanted) => {
    const names = bertTensors(wanted).map((place) => place.name);
    for (const [copy, name] of bertCopies(wanted)) {
      expect(names).toContain(name);
      expect(isRedundantBertTensor(copy, wanted)).toBe(true);
    }
    const isUntied = wanted.head === 'maskedWords' && !wanted.tiedHead;
    expect([...bertCopies(wanted).keys()]).toEqual(isUntied ? ['cls.predictions.bias'] : []);
  });

  it('takes the defaults of the format, which are the published base model', () => {
    expect(readBertConfig({ model_type: 'bert' }, 'config.json')).toEqual({
      ...config,
      vocabularySize: 30_522,
      width: 768,
      layers: 12,
      heads: 12,
      positions: 512,
      hidden: 3072,
    });
    const classes = readBertConfig({ architectures: ['BertForSequenceClassification'] }, 'config.json');
    expect(classes.labels).toEqual(['LABEL_0', 'LABEL_1']);
  });

  const classifier = { architectures: ['BertForSequenceClassification'] };
  it.each<[{ [key: string]: Json }, RegExp]>([
    [{ position_embedding_type: 'relative_key' }, /position_embedding_type is not supported/],
    [{ is_decoder: true }, /is_decoder is not supported/],
    [{ add_cross_attention: true }, /add_cross_attention is not supported/],
    [{ architectures: ['BertForQuestionAnswering'] }, /architectures[\s\S]*BertForMaskedLM/],
    [{ architectures: ['toString'] }, /architectures/],
    [{ architectures: 'BertModel' }, /architectures/],
    [{ hidden_act: 'quick_gelu' }, /hidden_act/],
    [{ num_attention_heads: 3 }, /a divisor of hidden_size, which is 8/],
    [{ type_vocab_size: 0 }, /type_vocab_size/],
    [{ ...classifier, id2label: {} }, /id2label/],
    [{ ...classifier, id2label: { 0: 'a', 2: 'b' } }, /id2label/],
    [{ ...classifier, id2label: { 0: 'a', 1: 7 } }, /id2label/],
    [{ ...classifier, id2label: ['a', 'b'] }, /id2label/],
    [{ ...classifier, id2label: { 0: 'x'.repeat(1001) } }, /id2label/],
    [{ ...classifier, num_labels: 1e9 }, /num_labels/],
    [{ ...classifier, problem_type: 'hard' }, /problem_type/],
  ])('refuses %j', (change, message) => {
    expect(() => readBertConfig({ ...writeBertConfig(config), ...change }, 'config.json')).toThrow(message);
  });

  it('refuses to write what could not be read again', () => {
    expect(() => writeBertConfig({ ...config, head: 'textClass', labels: ['a'], pooler: false })).toThrow(/pooler/);
  });
});

describe('the names of tensors', () => {
  it.each(kinds)('of a %s are one for each parameter', (_, wanted) => {
    const places = bertTensors(wanted);
    const parameters = new Map(new Bert(wanted).namedParameters());
    expect(places).toHaveLength(parameters.size);
    expect(new Map(places.map(({ path, shape }) => [path, shape]))).toEqual(
      new Map([...parameters].map(([path, { shape }]) => [path, shape])),
    );
    expect(places.every(({ name }) => bertAlias(name, wanted) === name)).toBe(true);
    expect(places.some(({ name }) => isRedundantBertTensor(name, wanted))).toBe(false);
  });

  it('with another prefix, or of the first library, are understood', () => {
    const masked: BertConfig = { ...config, head: 'maskedWords', pooler: false };
    expect(bertAlias('bert.encoder.layer.0.output.LayerNorm.gamma', config)).toBe(
      'encoder.layer.0.output.LayerNorm.weight',
    );
    expect(bertAlias('embeddings.LayerNorm.beta', masked)).toBe('bert.embeddings.LayerNorm.bias');
    expect(bertAlias('cls.predictions.transform.LayerNorm.gamma', masked)).toBe(
      'cls.predictions.transform.LayerNorm.weight',
    );
    expect(bertAlias('classifier.weight', config)).toBe('classifier.weight');
  });

  it('that a model does not need', () => {
    const masked: BertConfig = { ...config, head: 'maskedWords', pooler: false };
    const redundant = (of: BertConfig, names: readonly string[]) =>
      names.map((name) => isRedundantBertTensor(bertAlias(name, of), of));
    expect(
      redundant(masked, [
        'bert.embeddings.position_ids',
        'bert.pooler.dense.weight',
        'cls.seq_relationship.bias',
        'cls.predictions.decoder.weight',
        'cls.predictions.decoder.bias',
      ]),
    ).toEqual([true, true, true, true, true]);
    expect(redundant(masked, ['cls.predictions.bias', 'classifier.weight'])).toEqual([false, false]);
    expect(
      redundant({ ...masked, tiedHead: false }, ['cls.predictions.decoder.weight', 'cls.predictions.bias']),
    ).toEqual([false, true]);
    expect(redundant(config, ['embeddings.position_ids', 'cls.predictions.bias', 'pooler.dense.weight'])).toEqual([
      true,
      true,
      false,
    ]);
    expect(redundant(config, ['classifier.weight'])).toEqual([false]);
  });

  it('tell whether there is a pooler', () => {
    expect(fittedBertConfig(config, new Set(['pooler.dense.weight'])).pooler).toBe(true);
    expect(fittedBertConfig(config, new Set(['embeddings.LayerNorm.weight'])).pooler).toBe(false);
    const classifier: BertConfig = { ...config, head: 'textClass', labels: ['a'] };
    expect(fittedBertConfig(classifier, new Set()).pooler).toBe(true);
  });
});
