import { configCases, generationCases } from './config-cases.js';
import type { Cases } from './damages.js';
import { checksumCases, poolingCases, recipeCases, runCases } from './folder-cases.js';
import { ggufCases, ggufModelCases } from './gguf-cases.js';
import { llama2cCases, llama2cTokenizerCases } from './llama2c-cases.js';
import { onnxCases } from './onnx-cases.js';
import { safetensorsCases, weightCases } from './safetensors-cases.js';
import { sentencePieceCases } from './sentencepiece-cases.js';
import { templateCases } from './template-cases.js';
import { tokenizerJsonCases } from './tokenizer-cases.js';
import { vocabularyCases } from './vocabulary-cases.js';

/** The structured part of the corpus, by reader. */
export function allCases(): Readonly<Record<string, Cases>> {
  return {
    safetensors: safetensorsCases(),
    weights: weightCases(),
    gguf: ggufCases(),
    'gguf-model': ggufModelCases(),
    'tokenizer-json': tokenizerJsonCases(),
    vocabulary: vocabularyCases(),
    sentencepiece: sentencePieceCases(),
    'chat-template': templateCases(),
    config: configCases(),
    'generation-config': generationCases(),
    onnx: onnxCases(),
    llama2c: llama2cCases(),
    'llama2c-tokenizer': llama2cTokenizerCases(),
    checksums: checksumCases(),
    pooling: poolingCases(),
    run: runCases(),
    recipe: recipeCases(),
  };
}
