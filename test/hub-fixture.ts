import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { type FetchedSnapshot, type FetchOptions, fetchFromHub } from '../src/hub/fetch.js';
import { isModelFile } from '../src/hub/model-files.js';
import { parseHubReference } from '../src/hub/reference.js';
import { HubServer } from './hub-server.js';

/** Bytes that look like nothing and are the same in each run. */
export function noise(bytes: number, seed = 1): Buffer {
  const content = Buffer.alloc(bytes);
  let state = seed;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    content[i] = state >>> 24;
  }
  return content;
}

export const WEIGHTS = noise(3_000_000);
/** A small model's files, with some that nobody should download. */
export const MODEL = {
  'config.json': '{"model_type":"llama"}',
  'tokenizer.json': '{}',
  'README.md': '# A model',
  'modeling_evil.py': 'import os',
  'pytorch_model.bin': noise(2000, 2),
  'model.safetensors': WEIGHTS,
};
export const MODEL_FILES = ['config.json', 'model.safetensors', 'tokenizer.json'];

/** A server, and an empty cache for each test. */
export class HubFixture {
  server!: HubServer;
  home = '';

  constructor() {
    beforeAll(async () => {
      this.server = await HubServer.start();
    });
    afterAll(() => this.server.stop());
    beforeEach(() => {
      this.server.reset();
      this.home = fs.mkdtempSync(path.join(tmpdir(), 'athanor-hub-'));
    });
    afterEach(() => fs.rmSync(this.home, { recursive: true, force: true }));
  }

  get environment(): NodeJS.ProcessEnv {
    return { HF_HOME: this.home, HF_ENDPOINT: this.server.endpoint };
  }

  /** The folder of a repository in the cache. */
  folder(name = 'models--ada--tiny'): string {
    return path.join(this.home, 'hub', name);
  }

  blobs(): string[] {
    const folder = path.join(this.folder(), 'blobs');
    return fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [];
  }

  /** The partial file of a broken download; there is only one. */
  partial(): string {
    return path.join(this.folder(), 'blobs', this.blobs().find((name) => name.endsWith('.incomplete')) ?? 'none');
  }

  fetch(
    options: Partial<FetchOptions> & { variables?: NodeJS.ProcessEnv } = {},
    reference = 'hf:ada/tiny',
  ): Promise<FetchedSnapshot> {
    const environment = { ...this.environment, ...options.variables };
    return fetchFromHub(parseHubReference(reference)!, { files: isModelFile, backoffMs: 1, environment, ...options });
  }

  /** All that is in the home folder; what an attacker would like to add to it would be seen here. */
  everything(): string[] {
    return fs.readdirSync(this.home, { recursive: true, encoding: 'utf8' }).sort();
  }
}

/** The message of what a promise is rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return `${error.name}: ${error.message}`;
  }
  throw new Error('it did not fail');
}
