import { InputError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { activationName, readActivation } from './activation-names.js';
import type { BertConfig, BertHead } from './bert.js';
import { ConfigFields, type JsonConfig } from './config-fields.js';
import { CONFIG_LIMITS } from './config-limits.js';

/** The classes of Hugging Face that are read, and the head that each has. The first for a head is the one written. */
const HEADS: Readonly<Record<string, BertHead>> = {
  BertModel: 'none',
  BertForMaskedLM: 'maskedWords',
  // It has a second head, for the order of sentences, which nothing here needs.
  BertForPreTraining: 'maskedWords',
  BertForSequenceClassification: 'textClass',
  BertForTokenClassification: 'tokenClass',
};

const PROBLEMS: readonly string[] = ['regression', 'single_label_classification', 'multi_label_classification'];

/** Characters of a class's name. */
const LONGEST_LABEL = 1000;

function readHead(fields: ConfigFields): BertHead {
  const architectures = fields.get('architectures');
  if (architectures === undefined) return 'none';
  const [name] = Array.isArray(architectures) ? architectures : [];
  const head = typeof name === 'string' && Object.hasOwn(HEADS, name) ? HEADS[name] : undefined;
  if (head === undefined) throw fields.fault('architectures', `one of ${Object.keys(HEADS).join(', ')}`);
  return head;
}

/** Names of the classes in `id2label`, which has a key for each number from 0 on. Two without names by default. */
function readLabels(fields: ConfigFields): string[] {
  const named = fields.get('id2label');
  const unnamed = (count: number): string[] => Array.from({ length: count }, (_, i) => `LABEL_${i}`);
  if (named === undefined) return unnamed(fields.whole('num_labels', [1, CONFIG_LIMITS.labels], 2));
  const entries = typeof named === 'object' && named !== null && !Array.isArray(named) ? named : {};
  const count = Object.keys(entries).length;
  const labels: string[] = [];
  for (let i = 0; i < Math.min(count, CONFIG_LIMITS.labels + 1); i++) {
    const label = Object.hasOwn(entries, `${i}`) ? entries[`${i}`] : undefined;
    if (typeof label === 'string' && label.length <= LONGEST_LABEL) labels.push(label);
  }
  if (labels.length === 0 || labels.length !== count || count > CONFIG_LIMITS.labels) {
    throw fields.fault('id2label', 'the name of every class by its number: {"0": "no", "1": "yes"}');
  }
  return labels;
}

function readProblem(fields: ConfigFields): string | undefined {
  const problem = fields.get('problem_type');
  if (problem === undefined) return undefined;
  if (typeof problem === 'string' && PROBLEMS.includes(problem)) return problem;
  throw fields.fault('problem_type', PROBLEMS.join(', '));
}

/**
 * The configuration in a `config.json` of `model_type` `bert`; the first of `architectures` says the head. Keys that do
 * not change what the model computes are passed over; features that would and are not built (relative positions,
 * a BERT that decodes …) are refused by name.
 *
 * @param where the file's name, for errors.
 * @throws {InputError} naming the key, what was expected and what came.
 */
export function readBertConfig(config: JsonConfig, where: string): BertConfig {
  const fields = new ConfigFields(config, where);
  const width = fields.whole('hidden_size', [1, CONFIG_LIMITS.width], 768);
  const heads = fields.whole('num_attention_heads', [1, CONFIG_LIMITS.width], 12);
  if (width % heads !== 0) throw fields.fault('num_attention_heads', `a divisor of hidden_size, which is ${width}`);
  fields.unsupported('position_embedding_type', ['absolute']);
  for (const key of ['is_decoder', 'add_cross_attention', 'quantization_config']) fields.unsupported(key, [false]);
  const head = readHead(fields);
  const classifies = head === 'textClass' || head === 'tokenClass';
  return {
    vocabularySize: fields.whole('vocab_size', [1, CONFIG_LIMITS.vocabulary], 30_522),
    width,
    layers: fields.whole('num_hidden_layers', [1, CONFIG_LIMITS.layers], 12),
    heads,
    positions: fields.whole('max_position_embeddings', [1, CONFIG_LIMITS.positions], 512),
    hidden: fields.whole('intermediate_size', [1, CONFIG_LIMITS.hidden], 3072),
    types: fields.whole('type_vocab_size', [1, CONFIG_LIMITS.labels], 2),
    activation: readActivation(fields, 'hidden_act', 'gelu'),
    epsilon: fields.positive('layer_norm_eps', 1, 1e-12),
    head,
    // Of a bare model the weights tell (`fittedBertConfig`). A key for it here would take the argument of that name,
    // `add_pooling_layer`, from the class of Hugging Face.
    pooler: head === 'textClass' || head === 'none',
    tiedHead: fields.flag('tie_word_embeddings', true),
    labels: classifies ? readLabels(fields) : [],
    problem: head === 'textClass' ? readProblem(fields) : undefined,
  };
}

/** The `config.json` that other tools read. @throws {InputError} if it could not be read again. */
export function writeBertConfig(config: BertConfig): { [key: string]: Json } {
  const { labels, problem } = config;
  const written: { [key: string]: Json } = {
    architectures: [Object.keys(HEADS).find((name) => HEADS[name] === config.head)!],
    model_type: 'bert',
    vocab_size: config.vocabularySize,
    hidden_size: config.width,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    intermediate_size: config.hidden,
    hidden_act: activationName(config.activation),
    max_position_embeddings: config.positions,
    type_vocab_size: config.types,
    layer_norm_eps: config.epsilon,
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    position_embedding_type: 'absolute',
    ...(labels.length === 0
      ? {}
      : {
          id2label: Object.fromEntries(labels.map((label, i) => [`${i}`, label])),
          label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
        }),
    ...(problem === undefined ? {} : { problem_type: problem }),
    tie_word_embeddings: config.tiedHead,
    torch_dtype: 'float32',
  };
  const read = readBertConfig(written, 'the configuration of the model');
  const again = { ...read, pooler: config.head === 'none' ? config.pooler : read.pooler };
  const changed = (Object.keys(again) as (keyof BertConfig)[]).find(
    (key) => JSON.stringify(again[key]) !== JSON.stringify(config[key]),
  );
  if (changed !== undefined) {
    throw new InputError('the configuration cannot be kept', { where: changed, got: JSON.stringify(config[changed]) });
  }
  return written;
}
