import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { repositoryRoot } from './source-files.js';

export const MODULE: string = path.join(
  repositoryRoot,
  'clients',
  'node_modules',
  'node-llama-cpp',
  'dist',
  'index.js',
);
const PROGRAM = path.join(repositoryRoot, 'test', 'programs', 'llama-client.mjs');

/** What llama.cpp is asked about one GGUF file. */
export interface LlamaTask {
  readonly file: string;
  /** To be cut into tokens. */
  readonly texts?: readonly string[];
  /** To be continued greedily, and by how many tokens. */
  readonly prompt?: readonly number[];
  readonly tokens?: number;
  /** Tokens whose next ones are asked for. */
  readonly forced?: readonly number[];
}

export interface LlamaAnswer {
  readonly ids: readonly (readonly number[])[];
  readonly greedy: readonly number[];
  /** Logits behind each token of `forced`. */
  readonly logits: readonly Float32Array[];
}

const BINARIES = path.join(
  repositoryRoot,
  'clients',
  'node_modules',
  '@node-llama-cpp',
  `linux-${process.arch}`,
  'bins',
);

/** Whether llama.cpp is on this machine: its package is there for every system, its builds are installed for Linux. */
export const hasLlamaClient: boolean = existsSync(MODULE) && existsSync(BINARIES);

/** The line to skip a test with where it is not. */
export const WITHOUT_LLAMA_CLIENT = 'node-llama-cpp is not installed here: npm run clients';

/** Asks llama.cpp, in a process of its own. @throws if that process fails. */
export function askLlama(models: readonly LlamaTask[]): LlamaAnswer[] {
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, [PROGRAM], {
    input: JSON.stringify({ module: pathToFileURL(MODULE).href, models }),
    encoding: 'utf8',
    timeout: 500_000,
    killSignal: 'SIGKILL',
    maxBuffer: 2 ** 28,
  });
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
  if (status !== 0 || lines.length !== models.length) {
    throw new Error(
      `llama.cpp answered ${lines.length} of ${models.length} (${signal ?? status}):\n${stderr.slice(-3000)}`,
    );
  }
  return lines.map((line) => {
    const { ids, greedy, logits } = JSON.parse(line) as { ids: number[][]; greedy: number[]; logits: string[] };
    const floats = logits.map((text) => new Float32Array(new Uint8Array(Buffer.from(text, 'base64')).buffer));
    return { ids, greedy, logits: floats };
  });
}
