import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { repositoryRoot } from './source-files.js';

const PACKAGE = path.join(repositoryRoot, 'clients', 'node_modules', '@huggingface', 'transformers');
const MODULE = path.join(PACKAGE, 'dist', 'transformers.node.mjs');

/** Why a test is skipped. */
export const WITHOUT_TRANSFORMERS_CLIENT = 'transformers.js is not installed here: npm run clients';

export function hasTransformersClient(): boolean {
  return existsSync(MODULE);
}

/** What one exported folder is asked; see `programs/transformers-client.mjs`. */
export interface ClientTask {
  /** Under the job's root. */
  readonly folder: string;
  readonly dtype?: string;
  readonly task: 'text-generation' | 'text2text-generation' | 'feature-extraction';
  readonly texts?: readonly string[];
  readonly chat?: readonly { readonly role: string; readonly content: string }[];
  readonly prompts?: readonly string[];
  readonly tokens?: number;
}

export interface ClientResult {
  readonly ids: readonly (readonly number[])[];
  readonly whole: readonly (readonly number[])[];
  readonly chat?: string;
  readonly single?: readonly (readonly number[])[];
  readonly batch?: readonly (readonly number[])[];
  readonly written?: readonly string[];
  readonly vectors?: readonly (readonly number[])[];
}

/** Runs transformers.js over folders under `root`, in a process of its own. */
export function runTransformersClient(root: string, models: readonly ClientTask[]): ClientResult[] {
  const program = path.join(repositoryRoot, 'test', 'programs', 'transformers-client.mjs');
  const input = JSON.stringify({ module: pathToFileURL(MODULE).href, root, models });
  const options = { input, encoding: 'utf8', timeout: 150_000, killSignal: 'SIGKILL', maxBuffer: 2 ** 26 } as const;
  const { stdout, stderr } = spawnSync(process.execPath, [program], options);
  if (!stdout.startsWith('[')) throw new Error(`transformers.js failed:\n${stderr}`);
  return JSON.parse(stdout) as ClientResult[];
}
