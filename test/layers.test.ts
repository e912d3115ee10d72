import { builtinModules } from 'node:module';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { importFault } from './layer-rules.js';
import { filesUnder, sourceOf } from './source-files.js';

const SOURCES = filesUnder('src', '.ts').filter((file) => !file.endsWith('.test.ts'));

/** What a TypeScript file imports: static, dynamic, type-only and re-exports. */
function importsOf(text: string): string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map((imported) => imported.fileName);
}

function faultsOf(file: string, text: string): string[] {
  const folder = file.split('/')[1]!;
  const faults: string[] = [];
  for (const specifier of importsOf(text)) {
    if (specifier.startsWith('node:')) continue;
    if (builtinModules.includes(specifier)) {
      faults.push(`${file}: write node:${specifier} for a module of Node`);
      continue;
    }
    const target = specifier.startsWith('.')
      ? path.posix.join(path.posix.dirname(file), specifier)
      : specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/');
    if (specifier.startsWith('.') && target.split('/')[0] !== 'src') {
      faults.push(`${file}: imports ${specifier}, which is outside src`);
      continue;
    }
    const fault = importFault(
      folder,
      specifier.startsWith('.') ? { folder: target.split('/')[1]! } : { package: target },
    );
    if (fault !== undefined) faults.push(`${file}: ${fault} (${specifier})`);
  }
  return faults;
}

describe('layers', () => {
  it('every import of src points down', () => {
    expect(SOURCES.length).toBeGreaterThan(0);
    expect(SOURCES.flatMap((file) => faultsOf(file, sourceOf(file)))).toEqual([]);
  });

  it('every file lies in a folder of the table', () => {
    expect(SOURCES.filter((file) => file.split('/').length < 3)).toEqual([]);
  });

  it('tensor owns the interface of backends', () => {
    const declares = /export (?:interface|type|abstract class) \w*Backend\b/;
    const declaring = SOURCES.filter((file) => declares.test(sourceOf(file)));
    expect(declaring.filter((file) => !file.startsWith('src/tensor/'))).toEqual([]);
  });

  it.each([
    ['src/nn/linear.ts', "import { x } from '../train/loop.js';", 'higher'],
    ['src/nn/linear.ts', "export { x } from '../optim/adamw.js';", 'same layer'],
    ['src/tokenizer/bpe.ts', "import type { X } from '../data/source.js';", 'same layer'],
    ['src/train/loop.ts', "const x = await import('../cli/main.js');", 'higher'],
    ['src/tensor/tensor.ts', "import type { InferenceSession } from 'onnxruntime-node';", 'only src/runtime'],
    ['src/agent/loop.ts', "import { Llama } from '../models/llama.js';", 'llm alone'],
    ['src/novel/thing.ts', "import { x } from '../util/json.js';", 'on no layer'],
    ['src/util/files.ts', "import * as fs from 'fs';", 'node:fs'],
    ['src/util/files.ts', "import { sharedData } from '../../test/shared-data.js';", 'outside src'],
  ])('%s with %s is refused', (file, text, reason) => {
    expect(faultsOf(file, text).join()).toContain(reason);
  });

  it.each([
    ['src/data/chat.ts', "import { Bpe } from '../tokenizer/bpe.js';"],
    ['src/runtime/session.ts', "import * as ort from 'onnxruntime-node';"],
    ['src/cli/main.ts', "import { x } from '../util/json.js'; import fs from 'node:fs';"],
    ['src/nn/linear.ts', "import { x } from './parameter.js'; // import '../train/loop.js'"],
  ])('%s with %s is fine', (file, text) => {
    expect(faultsOf(file, text)).toEqual([]);
  });
});
