import { architectureFor } from '../models/registry.js';
import type { SavedModel } from '../models/save.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { Json } from '../util/json.js';
import type { OnnxDtype } from './onnx-export.js';

type JsonFields = { readonly [key: string]: Json };

/** What transformers.js calls our types. */
const CLIENT_DTYPES: Readonly<Record<OnnxDtype, string>> = { fp32: 'fp32', fp16: 'fp16', int8: 'q8', q4: 'q4' };

/**
 * `config.json` with what transformers.js must be told: which files have their weights in others, which type to take where
 * there is no float32, and (for its versions before 4, which do not look into the file) the type of keys and values.
 *
 * @param external how many files lie beside a model, by its name.
 */
export function clientConfig(
  config: JsonFields,
  { model }: SavedModel,
  dtypes: readonly OnnxDtype[],
  external: Readonly<Record<string, number>>,
): JsonFields {
  const isDecoder = architectureFor(model).kind === 'decoder';
  const settings: JsonFields = {
    ...(dtypes.includes('fp32') ? {} : { dtype: CLIENT_DTYPES[dtypes[0]!] }),
    ...(isDecoder && dtypes.includes('fp16') ? { kv_cache_dtype: { fp16: 'float16' } } : {}),
    ...(Object.keys(external).length === 0 ? {} : { use_external_data_format: { ...external } }),
  };
  return Object.keys(settings).length === 0 ? config : { ...config, 'transformers.js_config': settings };
}

/**
 * `tokenizer_config.json` with what transformers.js asks it and not `tokenizer.json`: on which side texts are filled
 * up, and whether a prompt gets the tokens that open a text.
 */
export function clientTokenizerConfig(config: JsonFields, { model, tokenizer }: SavedModel): JsonFields {
  const { kind, modelType } = architectureFor(model);
  return {
    ...config,
    // This class alone gives the two texts of a pair different types.
    ...(modelType === 'bert' ? { tokenizer_class: 'BertTokenizer' } : {}),
    ...(kind === 'decoder' ? { padding_side: 'left', ...openings(tokenizer) } : {}),
  };
}

/** Prompts get no tokens around them by default, unless this says that texts have them. */
function openings(tokenizer: Tokenizer): JsonFields {
  const { bosId, eosId } = tokenizer;
  const [plain, whole] = [tokenizer.encode('a'), tokenizer.encode('a', { addSpecial: true })];
  if (whole.length === plain.length) return { add_bos_token: false, add_eos_token: false };
  return {
    add_bos_token: bosId !== undefined && whole[0] === bosId,
    add_eos_token: eosId !== undefined && whole.at(-1) === eosId,
  };
}
