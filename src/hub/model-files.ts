/** A larger text file is no configuration and no tokenizer. */
const MOST_TEXT_BYTES = 2 ** 27;

/** Configuration, tokenizer and chat template, in the repository's own folder. */
const TEXT_FILES: ReadonlySet<string> = new Set([
  'config.json',
  'generation_config.json',
  'adapter_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'spiece.model',
  'tokenizer.model',
  'sentencepiece.bpe.model',
  'chat_template.jinja',
  'chat_template.json',
  'modules.json',
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
  'model.safetensors.index.json',
]);

const SHARD = /^model-\d{5}-of-\d{5}\.safetensors$/;
/** The stages of a sentence encoder, as `1_Pooling/config.json`. */
const STAGE_FILE = /^\d{1,2}_[A-Za-z]+\/(?:config\.json|model\.safetensors)$/;
const CHAT_TEMPLATE = /^additional_chat_templates\/[\w.-]+\.jinja$/;

/**
 * Whether a file of a repository belongs to what is needed to use its model: configuration, tokenizer, chat template,
 * weights as safetensors. Never weights that run code when they are read (`.bin`, `.h5`, `.msgpack`), other runtimes'
 * copies (ONNX, GGUF, `*.fp16.safetensors`, `original/`), nor programs.
 *
 * @param all every path of the repository: where the weights are there twice, in one file and in shards, the one file
 * is taken.
 */
export function isModelFile(path: string, bytes: number, all: readonly string[] = []): boolean {
  if (path === 'model.safetensors' || path === 'adapter_model.safetensors') return true;
  if (SHARD.test(path)) return !all.includes('model.safetensors');
  if (path === 'model.safetensors.index.json' && all.includes('model.safetensors')) return false;
  if (STAGE_FILE.test(path)) return path.endsWith('.safetensors') || bytes <= MOST_TEXT_BYTES;
  return (TEXT_FILES.has(path) || CHAT_TEMPLATE.test(path)) && bytes <= MOST_TEXT_BYTES;
}
