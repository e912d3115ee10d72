import { createHash } from 'node:crypto';
import type { Files } from '../../test/readers.js';
import { brokenJson, type Cases, inFolder, type JsonObject, withValue, wrongValues } from './damages.js';

const sha = (text: string): string => createHash('sha256').update(text).digest('hex');
export const CHECKSUMS: JsonObject = {
  format: 'athanor-checksums-1',
  files: { 'a.txt': { bytes: 5, sha256: sha('athan') }, 'b.txt': { bytes: 0, sha256: sha('') } },
};
export const SAVED: Files = { 'a.txt': 'athan', 'b.txt': '' };

export function checksumCases(): Cases {
  const listed = (name: string): Files => ({
    ...SAVED,
    'checksums.json': withValue(CHECKSUMS, 'files', { [name]: { bytes: 5, sha256: sha('athan') } }),
  });
  const beside = (files: Files): Files => ({ 'checksums.json': JSON.stringify(CHECKSUMS), ...files });
  return {
    ...inFolder(brokenJson(CHECKSUMS), 'checksums.json', SAVED),
    ...inFolder(wrongValues(CHECKSUMS, CHECKSUM_VALUES), 'checksums.json', SAVED),
    'key-too-many': { ...SAVED, 'checksums.json': withValue(CHECKSUMS, 'more', 1) },
    'format-of-tomorrow': { ...SAVED, 'checksums.json': withValue(CHECKSUMS, 'format', 'athanor-checksums-2') },
    'name-leads-out': listed('../a.txt'),
    'name-is-absolute': listed('/etc/hostname'),
    'name-is-two-dots': listed('..'),
    'name-is-empty': listed(''),
    'name-of-the-prototype': {
      ...SAVED,
      'checksums.json': JSON.stringify(CHECKSUMS).replace('"a.txt"', '"__proto__"'),
    },
    'file-missing': beside({ 'a.txt': 'athan' }),
    'file-cut-off': beside({ 'a.txt': 'ath', 'b.txt': '' }),
    'file-longer': beside({ 'a.txt': 'athanor', 'b.txt': '' }),
    'file-changed': beside({ 'a.txt': 'athAn', 'b.txt': '' }),
    'file-is-a-folder': beside({ 'a.txt/x': '', 'b.txt': '' }),
    missing: SAVED,
  };
}

const CHECKSUM_VALUES = {
  format: ['missing', 'null', 'is-a-number', 'is-a-list'],
  files: ['missing', 'null', 'is-a-text', 'is-a-list', 'is-nested'],
  'files.a.txt': [],
} as const;

const MODULES: readonly JsonObject[] = [
  { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' },
  { idx: 1, name: '1', path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
];
const POOLING: JsonObject = {
  word_embedding_dimension: 8,
  pooling_mode_mean_tokens: true,
  pooling_mode_cls_token: false,
};
const LIMITS: JsonObject = { max_seq_length: 128, do_lower_case: false };
export const SENTENCES: Files = {
  'modules.json': JSON.stringify(MODULES),
  '1_Pooling/config.json': JSON.stringify(POOLING),
  'sentence_bert_config.json': JSON.stringify(LIMITS),
};

export function poolingCases(): Cases {
  const modules = (list: unknown): Files => ({ ...SENTENCES, 'modules.json': JSON.stringify(list) });
  const second = (change: object): Files => modules([MODULES[0], { ...MODULES[1], ...change }]);
  const prompt = (value: unknown): Files => ({
    ...SENTENCES,
    'config_sentence_transformers.json': JSON.stringify(value),
  });
  const pooling = (change: object): Files => ({
    ...SENTENCES,
    '1_Pooling/config.json': JSON.stringify({ ...POOLING, ...change }),
  });
  const broken = brokenJson(POOLING);
  const names = [
    'empty',
    'cut-off',
    'top-is-a-list',
    'deep-lists',
    'deep-without-end',
    'utf-16',
    'latin-1',
    'is-html',
    'prototype-key',
  ];
  const some = Object.fromEntries(names.map((name) => [name, broken[name]!]));
  return {
    ...inFolder(some, 'modules.json', SENTENCES, 'modules-'),
    ...inFolder(some, '1_Pooling/config.json', SENTENCES, 'pooling-'),
    ...inFolder(some, 'sentence_bert_config.json', SENTENCES, 'limits-'),
    ...inFolder(
      wrongValues(LIMITS, {
        max_seq_length: ['negative', 'is-zero', 'fraction', 'is-a-text', 'is-nested'],
        do_lower_case: ['is-a-text', 'is-a-number'],
      }),
      'sentence_bert_config.json',
      SENTENCES,
    ),
    'modules-empty-list': modules([]),
    'modules-of-nothing': modules([null, null]),
    'modules-of-texts': modules(['Transformer', 'Pooling']),
    'modules-of-lists': modules([[], []]),
    'modules-reversed': modules([...MODULES].reverse()),
    'module-unknown': modules([...MODULES, { path: '2', type: 'x.Dense' }]),
    'module-twice': modules([...MODULES, MODULES[1]]),
    'module-type-is-a-number': second({ type: 5 }),
    'module-path-leads-out': second({ path: '../1_Pooling' }),
    'module-path-is-absolute': second({ path: '/etc' }),
    'module-path-is-two-dots': second({ path: '..' }),
    'module-path-holds-a-zero-byte': second({ path: '1_Pooling\0' }),
    'module-path-missing': second({ path: undefined }),
    'module-path-of-another-folder': second({ path: '9_Pooling' }),
    'pooling-of-the-prototype': pooling({ pooling_mode_mean_tokens: false, pooling_mode: 'toString' }),
    'pooling-of-two-kinds': pooling({ pooling_mode_cls_token: true }),
    'pooling-of-no-kind': pooling({ pooling_mode_mean_tokens: false }),
    'pooling-unknown': pooling({ pooling_mode_mean_tokens: false, pooling_mode_weightedmean_tokens: true }),
    'pooling-is-a-list': pooling({ pooling_mode_mean_tokens: false, pooling_mode: ['mean'] }),
    'prompt-missing': prompt({ default_prompt_name: 'query', prompts: {} }),
    'prompt-of-the-prototype': prompt({ default_prompt_name: 'constructor', prompts: {} }),
    'prompt-is-a-number': prompt({ default_prompt_name: 'query', prompts: { query: 5 } }),
    'prompt-name-is-a-list': prompt({ default_prompt_name: ['query'], prompts: { query: 'x' } }),
    'prompts-are-a-list': prompt({ default_prompt_name: '0', prompts: ['x'] }),
  };
}

export const RUN: JsonObject = {
  command: 'pretrain',
  recipe: { seed: 1 },
  state: 'finished',
  createdAt: '2026-01-01T00:00:00Z',
};

export function runCases(): Cases {
  return {
    ...brokenJson(RUN),
    ...wrongValues(RUN, {
      command: ['missing', 'null', 'is-a-number', 'is-a-list', 'is-nested', 'speaks-to-javascript'],
      recipe: ['missing'],
      state: ['missing', 'null', 'is-a-text', 'is-a-number', 'is-an-object', 'is-a-list', 'is-true', 'is-empty-text'],
    }),
  };
}

export function recipeCases(): Cases {
  const yaml: Readonly<Record<string, string>> = {
    'is-a-text': 'just words',
    'is-a-list': '- 1\n- 2\n',
    'is-a-number': '5',
    'not-ended': 'train: {steps: 3',
    'tabs-for-spaces': 'train:\n\tsteps: 3\n',
    'key-twice': 'seed: 1\nseed: 2\n',
    'two-documents': 'seed: 1\n---\nseed: 2\n',
    'tag-of-python': 'seed: !!python/object/apply:os.system ["true"]\n',
    'tag-unknown': 'seed: !run 1\n',
    'alias-unknown': 'seed: *nobody\n',
    'alias-of-itself': 'train: &a\n  steps: *a\n',
    'aliases-that-multiply': `a0: &a0 [x, x, x, x, x, x, x, x, x]\n${Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`).join('\n')}\n`,
    'merge-of-the-prototype': '__proto__:\n  polluted: true\n',
    'constructor-key': 'constructor: {prototype: {polluted: true}}\n',
    'lists-in-one-another': `seed: ${'['.repeat(3000)}${']'.repeat(3000)}\n`,
    'mappings-in-one-another': `${Array.from({ length: 150 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')} 1\n`,
    'flow-without-end': `seed: ${'{a: '.repeat(3000)}\n`,
    'zero-bytes': 'seed: 1\0\n',
    'utf-16-in-name': '\ufffe\0s\0e\0e\0d',
    'key-unknown': 'sede: 1\n',
    'key-is-a-list': '? [a, b]\n: 1\n',
    'key-is-null': '~: 1\n',
    'key-steers-the-terminal': '"\\e[2J\\x07": 1\n',
    'key-of-20000-characters': `${'k'.repeat(20_000)}: 1\n`,
    'steps-negative': 'train: {steps: -1}\n',
    'steps-zero': 'train: {steps: 0}\n',
    'steps-fraction': 'train: {steps: 1.5}\n',
    'steps-text': 'train: {steps: many}\n',
    'steps-not-a-number': 'train: {steps: .nan}\n',
    'steps-infinite': 'train: {steps: .inf}\n',
    'steps-beyond-53-bits': 'train: {steps: 99999999999999999999}\n',
    'steps-nested': 'train: {steps: [[[[[[[[1]]]]]]]]}\n',
    'train-is-a-list': 'train: [1, 2]\n',
    'train-is-null': 'train: ~\n',
    'rate-negative': 'train: {learningRate: -1}\n',
    'rate-infinite': 'train: {learningRate: .inf}\n',
    'share-above-one': 'train: {finalShare: 1.5}\n',
    'schedule-unknown': 'train: {schedule: zigzag}\n',
    'device-unknown': 'train: {device: tpu}\n',
    'threads-enormous': 'train: {threads: 1000000}\n',
    'flag-is-a-word': 'train: {recompute: "yes"}\n',
    'width-zero': 'model: {width: 0}\n',
    'width-is-a-date': 'model: {width: 2001-01-01}\n',
    'width-is-binary': 'model: {width: !!binary aGk=}\n',
    'tokenizer-kind-unknown': 'tokenizer: {kind: morse}\n',
    'data-is-a-number': 'data: 5\n',
  };
  // Whole but for its one fault, where the fault leaves a mapping.
  const isWhole = (name: string): boolean =>
    /^(steps|train|rate|share|schedule|device|threads|flag|width|tokenizer|tag|alias|constructor)-/.test(name);
  const files: Cases = Object.fromEntries(
    Object.entries(yaml).map(([name, text]) => [name, isWhole(name) ? `data: a.txt\n${text}` : text]),
  );
  files['latin-1'] = new Uint8Array(Buffer.from('name: caf\xe9\n', 'latin1'));
  files['is-binary'] = Uint8Array.from({ length: 256 }, (_, i) => i);
  return files;
}
