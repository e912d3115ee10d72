import type { Architecture, TensorPlace } from './architecture.js';
import { Bert, type BertConfig } from './bert.js';
import { readBertConfig, writeBertConfig } from './bert-hf-config.js';

/** A part with a weight and a bias: the name in the file, the path in the module, and the weight's shape. */
type Part = readonly [name: string, path: string, shape: (config: BertConfig) => readonly number[]];

const WIDTH = ({ width }: BertConfig): readonly number[] => [width];
const SQUARE = ({ width }: BertConfig): readonly number[] => [width, width];

const LAYER_PARTS: readonly Part[] = [
  ['attention.self.query', 'attention.q', SQUARE],
  ['attention.self.key', 'attention.k', SQUARE],
  ['attention.self.value', 'attention.v', SQUARE],
  ['attention.output.dense', 'attention.o', SQUARE],
  ['attention.output.LayerNorm', 'attentionNorm', WIDTH],
  ['intermediate.dense', 'feedForward.up', ({ width, hidden }) => [hidden, width]],
  ['output.dense', 'feedForward.down', ({ width, hidden }) => [width, hidden]],
  ['output.LayerNorm', 'feedForwardNorm', WIDTH],
];

const POOLER: Part = ['pooler.dense', 'pooler', SQUARE];

const MASKED_WORD_PARTS: readonly Part[] = [
  ['cls.predictions.transform.dense', 'maskedWords.transform', SQUARE],
  ['cls.predictions.transform.LayerNorm', 'maskedWords.norm', WIDTH],
];

const CLASSIFIER: Part = ['classifier', 'classifier', ({ width, labels }) => [labels.length, width]];

/** What Hugging Face puts before the names of the encoder in a model with a head. */
const prefixOf = ({ head }: BertConfig): string => (head === 'none' ? '' : 'bert.');

/** The weight and the bias of a part. */
function partTensors([name, path, shape]: Part, config: BertConfig, file = '', own = ''): TensorPlace[] {
  const weight = shape(config);
  return [
    { name: `${file}${name}.weight`, path: `${own}${path}.weight`, shape: weight },
    { name: `${file}${name}.bias`, path: `${own}${path}.bias`, shape: [weight[0]!] },
  ];
}

function headTensors(config: BertConfig): TensorPlace[] {
  const { head, vocabularySize, width, tiedHead } = config;
  if (head === 'none') return [];
  if (head !== 'maskedWords') return partTensors(CLASSIFIER, config);
  const places = MASKED_WORD_PARTS.flatMap((part) => partTensors(part, config));
  const decoder = 'cls.predictions.decoder.weight';
  if (!tiedHead) places.push({ name: decoder, path: 'maskedWords.decoder', shape: [vocabularySize, width] });
  places.push({ name: biasName(config), path: 'maskedWords.bias', shape: [vocabularySize] });
  return places;
}

/** The library has two biases of the masked-word head, which are one where the matrix is tied, and the second counts. */
const biasName = ({ tiedHead }: BertConfig): string =>
  tiedHead ? 'cls.predictions.bias' : 'cls.predictions.decoder.bias';

/** Both biases are looked for where they are not one, though only the second is used. */
export function bertCopies({ head, tiedHead }: BertConfig): ReadonlyMap<string, string> {
  const isUntied = head === 'maskedWords' && !tiedHead;
  return new Map(isUntied ? [['cls.predictions.bias', 'cls.predictions.decoder.bias']] : []);
}

/** The tensors of a BERT checkpoint as Hugging Face names them for the model's head, and where each belongs. */
export function bertTensors(config: BertConfig): TensorPlace[] {
  const { vocabularySize, width, positions, types } = config;
  const prefix = prefixOf(config);
  const tables = [
    ['word_embeddings', 'embedding', vocabularySize],
    ['position_embeddings', 'positionEmbedding', positions],
    ['token_type_embeddings', 'typeEmbedding', types],
  ] as const;
  const places: TensorPlace[] = tables.map(([name, path, count]) => ({
    name: `${prefix}embeddings.${name}.weight`,
    path: `${path}.weight`,
    shape: [count, width],
  }));
  places.push(...partTensors(['embeddings.LayerNorm', 'embeddingNorm', WIDTH], config, prefix));
  for (let layer = 0; layer < config.layers; layer++) {
    const [file, own] = [`${prefix}encoder.layer.${layer}.`, `layers.${layer}.`];
    places.push(...LAYER_PARTS.flatMap((part) => partTensors(part, config, file, own)));
  }
  if (config.pooler) places.push(...partTensors(POOLER, config, prefix));
  return [...places, ...headTensors(config)];
}

/** With and without the prefix of models that have a head, and with the first library's names of a norm's weights. */
export function bertAlias(name: string, config: BertConfig): string {
  const bare = name.replace(/^bert\./, '');
  const placed = /^(embeddings|encoder|pooler)\./.test(bare) ? prefixOf(config) + bare : name;
  return placed.replace(/\.LayerNorm\.gamma$/, '.LayerNorm.weight').replace(/\.LayerNorm\.beta$/, '.LayerNorm.bias');
}

/** Sentence encoders are saved with and without the pooler, and `config.json` is the same. */
export function fittedBertConfig(config: BertConfig, held: ReadonlySet<string>): BertConfig {
  return config.head === 'none' ? { ...config, pooler: config.pooler && held.has('pooler.dense.weight') } : config;
}

/** Tensors that files hold and the model does not need: a table of numbers, tied weights, and heads it does not have. */
export function isRedundantBertTensor(name: string, config: BertConfig): boolean {
  if (/(^|\.)embeddings\.position_ids$/.test(name)) return true;
  if (!config.pooler && /^(bert\.)?pooler\.dense\./.test(name)) return true;
  if (config.head === 'none') return name.startsWith('cls.');
  if (config.head !== 'maskedWords') return false;
  if (name.startsWith('cls.seq_relationship.')) return true;
  const other = config.tiedHead ? 'cls.predictions.decoder.bias' : 'cls.predictions.bias';
  return name === other || (config.tiedHead && name === 'cls.predictions.decoder.weight');
}

export const bertArchitecture: Architecture<Bert> = {
  modelType: 'bert',
  kind: 'encoder',
  fromConfig: readBertConfig,
  toConfig: writeBertConfig,
  names: bertTensors,
  alias: bertAlias,
  fitted: fittedBertConfig,
  isRedundant: isRedundantBertTensor,
  copies: bertCopies,
  create: (config) => new Bert(config),
  writes: (model) => model instanceof Bert,
};
