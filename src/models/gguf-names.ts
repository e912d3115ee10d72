/** How the tensors of one architecture are called in Hugging Face's files and in GGUF files. */
export interface GgufNames {
  /** `general.architecture`. */
  readonly architecture: string;
  /** What precedes the number of a layer in Hugging Face's names; in GGUF it is `blk.` */
  readonly layers: string;
  /** Names without `.weight` and `.bias`, Hugging Face's first. */
  readonly tensors: readonly (readonly [string, string])[];
  readonly layerTensors: readonly (readonly [string, string])[];
  /**
   * llama.cpp rotates neighbouring numbers of a head against each other, Hugging Face the halves of a head: the rows of
   * queries and keys stand in the order of pairs in the file. (Other architectures rotate halves there too.)
   */
  readonly rotatesPairs: boolean;
}

const LLAMA_TENSORS = [
  ['model.embed_tokens', 'token_embd'],
  ['model.norm', 'output_norm'],
  ['lm_head', 'output'],
] as const;

const LLAMA_LAYER_TENSORS = [
  ['input_layernorm', 'attn_norm'],
  ['self_attn.q_proj', 'attn_q'],
  ['self_attn.k_proj', 'attn_k'],
  ['self_attn.v_proj', 'attn_v'],
  ['self_attn.o_proj', 'attn_output'],
  ['self_attn.q_norm', 'attn_q_norm'],
  ['self_attn.k_norm', 'attn_k_norm'],
  ['post_attention_layernorm', 'ffn_norm'],
  ['mlp.gate_proj', 'ffn_gate'],
  ['mlp.up_proj', 'ffn_up'],
  ['mlp.down_proj', 'ffn_down'],
] as const;

function llamaNames(architecture: string, rotatesPairs: boolean): GgufNames {
  return {
    architecture,
    layers: 'model.layers.',
    tensors: LLAMA_TENSORS,
    layerTensors: LLAMA_LAYER_TENSORS,
    rotatesPairs,
  };
}

const LLAMA = llamaNames('llama', true);

const GPT2: GgufNames = {
  architecture: 'gpt2',
  layers: 'transformer.h.',
  tensors: [
    ['transformer.wte', 'token_embd'],
    ['transformer.wpe', 'position_embd'],
    ['transformer.ln_f', 'output_norm'],
    ['lm_head', 'output'],
  ],
  layerTensors: [
    ['ln_1', 'attn_norm'],
    ['attn.c_attn', 'attn_qkv'],
    ['attn.c_proj', 'attn_output'],
    ['ln_2', 'ffn_norm'],
    ['mlp.c_fc', 'ffn_up'],
    ['mlp.c_proj', 'ffn_down'],
  ],
  rotatesPairs: false,
};

/** By `model_type`. Mistral is a Llama to llama.cpp. */
const NAMES_OF_TYPE: Readonly<Record<string, GgufNames>> = {
  llama: LLAMA,
  mistral: LLAMA,
  qwen2: llamaNames('qwen2', false),
  qwen3: llamaNames('qwen3', false),
  gpt2: GPT2,
};

/** Architectures of GGUF files that become models here. */
export const GGUF_ARCHITECTURES: readonly string[] = [
  ...new Set(Object.values(NAMES_OF_TYPE).map(({ architecture }) => architecture)),
];

/** The names for a `model_type`, or undefined where llama.cpp has no such model, or none is written here. */
export function ggufNamesOf(modelType: string): GgufNames | undefined {
  return Object.hasOwn(NAMES_OF_TYPE, modelType) ? NAMES_OF_TYPE[modelType] : undefined;
}

/** The table turned round, for names of tensors that have their ending taken off. */
function translate(
  name: string,
  layers: readonly [from: string, to: string],
  { tensors, layerTensors }: GgufNames,
  side: 0 | 1,
): string | undefined {
  const [, stem = '', ending = ''] = /^(.*)(\.weight|\.bias)$/.exec(name) ?? [];
  const other = side === 0 ? 1 : 0;
  if (!stem.startsWith(layers[0])) {
    const pair = tensors.find((names) => names[side] === stem);
    return pair && pair[other] + ending;
  }
  const [, layer, part] = /^(\d{1,4})\.(.+)$/.exec(stem.slice(layers[0].length)) ?? [];
  const pair = layerTensors.find((names) => names[side] === part);
  return pair && `${layers[1]}${layer}.${pair[other]}${ending}`;
}

/** `model.layers.3.mlp.up_proj.weight` → `blk.3.ffn_up.weight`; undefined for a name that is not in the table. */
export function ggufNameOf(names: GgufNames, name: string): string | undefined {
  return translate(name, [names.layers, 'blk.'], names, 0);
}

/** The reverse of `ggufNameOf`. */
export function huggingFaceNameOf(names: GgufNames, name: string): string | undefined {
  return translate(name, ['blk.', names.layers], names, 1);
}

/** Whether a tensor, by Hugging Face's name, has the rows of queries or keys that the file keeps in the order of pairs. */
export function isRotated(names: GgufNames, name: string): boolean {
  return names.rotatesPairs && /\.self_attn\.[qk]_proj\.(weight|bias)$/.test(name);
}
