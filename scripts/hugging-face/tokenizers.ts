import { trainByteBpe } from '../../src/tokenizer/byte-bpe-training.js';
import { CHAT_SPECIAL_TOKENS } from '../../src/tokenizer/chat-template.js';
import { loadTokenizer, tokenizerFromJson } from '../../src/tokenizer/file.js';
import type { Tokenizer, TokenRoles } from '../../src/tokenizer/tokenizer.js';
import { trainUnigram } from '../../src/tokenizer/unigram-training.js';
import { trainWordPiece } from '../../src/tokenizer/wordpiece-training.js';
import type { Json } from '../../src/util/json.js';
import { sharedData } from '../../test/shared-data.js';

/** Enough to learn a few merges of several scripts from. */
const CORPUS: readonly string[] = [
  'The cat sat on the mat; the other cats sat, too. She said: "It is 1,234.50 dollars!"',
  'In the middle of the forest stood an old furnace. Every evening a man came, put wood on the fire, and sat down.',
  'One evening a child asked him why he kept the fire, and he said that the forest was cold without the fire.',
  "I'll say we've seen the sun and the moon; they're bright, and it's warm in the evening.",
  '床前明月光，疑是地上霜。举头望明月，低头思故乡。',
  'Привет, мир! Мир и мир.',
  'for (let i = 0; i < 10; i++) { console.log(i); }',
  // Every character of a byte token written out: of characters without a token, the other library makes the byte.
  '<0x1234567890> ABCDEF',
];

const QWEN_PATTERN = [
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)",
  '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+',
  '\\p{N}',
  ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*',
  '\\s*[\\r\\n]+',
  '\\s+(?!\\S)',
  '\\s+',
].join('|');

/** Tokens in front of a text and behind it. */
function around(
  tokenizer: Tokenizer,
  before: readonly string[],
  after: readonly string[],
  roles: TokenRoles,
): Tokenizer {
  const idOf = (token: string): number => tokenizer.specialTokens.get(token)!;
  const token = (id: string): Json => ({ SpecialToken: { id, type_id: 0 } });
  const text = { Sequence: { id: 'A', type_id: 0 } };
  const postProcessor: Json = {
    type: 'TemplateProcessing',
    single: [...before.map(token), text, ...after.map(token)],
    pair: [...before.map(token), text, { Sequence: { id: 'B', type_id: 0 } }, ...after.map(token)],
    special_tokens: Object.fromEntries([...before, ...after].map((id) => [id, { id, ids: [idOf(id)], tokens: [id] }])),
  };
  const json = tokenizer.toJson() as { [key: string]: Json };
  return tokenizerFromJson({ ...json, post_processor: postProcessor }, roles);
}

/** The kinds of tokenizer that the tiny models have; undefined where the shared data with a published one is absent. */
export const TOKENIZERS = {
  /** Byte-level BPE with the special tokens of our own chats; one token opens, closes and fills. */
  ours: () => trainByteBpe(CORPUS, { vocabularySize: 300, specialTokens: CHAT_SPECIAL_TOKENS }),
  /** Byte-level BPE of ChatML, with other tokens for each role, which cuts texts as Qwen's does. */
  qwen: async () => {
    const roles = { eos: '<|im_end|>', pad: '<|endoftext|>' };
    const specialTokens = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];
    const json = (await trainByteBpe(CORPUS, { vocabularySize: 310, specialTokens })).toJson();
    // The other library cuts the texts of a Qwen2 in this way whatever tokenizer.json says.
    const cuts: Json[] = [
      { type: 'Split', pattern: { Regex: QWEN_PATTERN }, behavior: 'Isolated', invert: false },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
    ];
    const change = { normalizer: { type: 'NFC' }, pre_tokenizer: { type: 'Sequence', pretokenizers: cuts } };
    return tokenizerFromJson({ ...(json as { [key: string]: Json }), ...change }, roles);
  },
  /** Byte-level BPE with a token in front of each text, as Llama and Mistral have. */
  opened: async () => {
    const roles = { bos: '<s>', eos: '</s>' };
    const specialTokens = ['<unk>', '<s>', '</s>', '[INST]', '[/INST]'];
    return around(await trainByteBpe(CORPUS, { vocabularySize: 305, specialTokens, roles }), ['<s>'], [], roles);
  },
  wordPiece: () => trainWordPiece(CORPUS, { vocabularySize: 190 }),
  /** With a token behind each text, as T5 has. */
  unigram: async () => {
    const roles = { eos: '</s>', pad: '<pad>' };
    const specialTokens = ['<pad>', '</s>', '<unk>'];
    const tokenizer = await trainUnigram(CORPUS, { vocabularySize: 130, specialTokens, byteFallback: false, roles });
    return around(tokenizer, [], ['</s>'], roles);
  },
  /** The same with bytes for what has no token. */
  unigramBytes: async () => {
    const roles = { eos: '</s>', pad: '<pad>' };
    const specialTokens = ['<pad>', '</s>', '<unk>'];
    return around(await trainUnigram(CORPUS, { vocabularySize: 380, specialTokens, roles }), [], ['</s>'], roles);
  },
  publishedGpt2: async () => published('tokenizers/gpt2/gpt2_tokenizer.json'),
  publishedBert: async () => published('tokenizers/bert-base-uncased'),
  publishedT5: async () => published('tokenizers/t5'),
} satisfies Readonly<Record<string, () => Promise<Tokenizer | undefined>>>;

export type TokenizerName = keyof typeof TOKENIZERS;

function published(place: string): Tokenizer | undefined {
  const found = sharedData(place);
  return found === undefined ? undefined : loadTokenizer(found);
}
