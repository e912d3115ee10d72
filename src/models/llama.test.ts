import { describeDecoder } from '../../test/model-contract.js';
import { Llama, type LlamaConfig } from './llama.js';

const config: Omit<LlamaConfig, 'vocabularySize'> = {
  width: 32,
  layers: 2,
  heads: 4,
  keyHeads: 2,
  hidden: 48,
  positions: 48,
  theta: 10_000,
  epsilon: 1e-5,
  tiedHead: true,
  queryKeyNorm: false,
};

const kinds: Readonly<Record<string, Partial<LlamaConfig>>> = {
  Llama: {},
  'Mistral with a window, a head of its own and heads of another width': {
    modelType: 'mistral',
    keyHeads: 1,
    headWidth: 6,
    window: { size: 7, layers: [0, 1] },
    tiedHead: false,
  },
  Qwen2: { modelType: 'qwen2', attentionBias: 'inputs' },
  Qwen3: { queryKeyNorm: true, headWidth: 16 },
};

for (const [name, change] of Object.entries(kinds)) {
  describeDecoder(name, (vocabularySize) => new Llama({ ...config, ...change, vocabularySize }));
}
