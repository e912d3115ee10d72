import { execFile } from 'node:child_process';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { InputError, messageOf } from '../util/errors.js';
import type { Json } from '../util/json.js';

/** How long a registry may take until it begins to answer. */
const ANSWER_TIMEOUT_MS = 60_000;

/** The `registry` line of an `.npmrc` file (of a scope, where one is given), with `${VARIABLE}` filled in. */
function registryLine(file: string, key: string): string | undefined {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  for (const line of text.split(/\r?\n/)) {
    const [name, ...rest] = line.split('=');
    if (name?.trim() !== key || rest.length === 0) continue;
    const value = rest
      .join('=')
      .trim()
      .replace(/^"(.*)"$/, '$1');
    return value.replace(/\$\{(\w+)\}/g, (_, variable: string) => process.env[variable] ?? '');
  }
  return undefined;
}

/** Asks npm itself, which knows its global settings and its default. */
async function askNpm(key: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('npm', ['config', 'get', key], {
      timeout: 20_000,
      shell: process.platform === 'win32',
    });
    const value = stdout.trim();
    return value === '' || value === 'undefined' ? undefined : value;
  } catch {
    return undefined;
  }
}

/**
 * The registry that npm would ask for a package: the scope's line, then the environment, then the `.npmrc` of this
 * folder and of the home folder, then what npm itself says.
 */
export async function npmRegistry(name: string): Promise<string> {
  const files = [path.join(process.cwd(), '.npmrc'), path.join(os.homedir(), '.npmrc')];
  const lookUp = (key: string): string | undefined =>
    files.map((file) => registryLine(file, key)).find((value) => value !== undefined && value !== '');
  const scope = name.startsWith('@') ? name.slice(0, name.indexOf('/')) : undefined;
  const url =
    (scope === undefined ? undefined : lookUp(`${scope}:registry`)) ??
    (process.env.npm_config_registry || process.env.NPM_CONFIG_REGISTRY || undefined) ??
    lookUp('registry') ??
    (await askNpm('registry'));
  if (url === undefined || !/^https?:\/\//.test(url)) {
    throw new InputError('no npm registry is known', {
      got: url ?? 'nothing',
      hint: 'Set npm_config_registry to its address, or install npm.',
    });
  }
  return url.endsWith('/') ? url : `${url}/`;
}

/** What the registry says of one version of a package. */
export interface NpmRelease {
  readonly name: string;
  readonly version: string;
  readonly tarball: string;
  /** Subresource-integrity string, such as `sha512-…`. */
  readonly integrity: string;
}

/** The registry could not be reached, or answered with an error of its own. */
export class RegistryError extends InputError {}

/** Fetches from a registry. @throws {RegistryError} with the reason, if there is no answer or not a good one. */
export async function fetchFromRegistry(url: string, headers: Record<string, string> = {}): Promise<Response> {
  let response: Response;
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(new Error('no answer within a minute')), ANSWER_TIMEOUT_MS);
  try {
    response = await fetch(url, { headers, signal: abort.signal });
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
    throw new RegistryError(`the npm registry does not answer (${cause})`, {
      where: url,
      hint: 'Check the connection and the registry that npm is configured with (npm config get registry).',
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
  if (response.ok) return response;
  await response.body?.cancel();
  const summary = response.status === 404 ? 'the npm registry has no such package' : 'the npm registry refuses';
  throw new RegistryError(summary, { where: url, got: `HTTP status ${response.status}` });
}

function objectAt(value: Json | undefined): { [key: string]: Json } {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {};
}

/**
 * Finds a release: an exact version or a tag (`latest` where none is given).
 * @throws {InputError} if the package, the version or its checksum is missing.
 */
export async function findRelease(registry: string, name: string, wanted = 'latest'): Promise<NpmRelease> {
  const url = new URL(name.replace('/', '%2f'), registry).href;
  // The short form of the document holds all that is needed here.
  const response = await fetchFromRegistry(url, {
    accept: 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8',
  });
  let packument: { [key: string]: Json };
  try {
    packument = objectAt((await response.json()) as Json);
  } catch (error) {
    throw new RegistryError('the npm registry sent no readable answer', { where: url, cause: error });
  }
  const tagged = objectAt(packument['dist-tags'])[wanted];
  const version = typeof tagged === 'string' ? tagged : wanted;
  const dist = objectAt(objectAt(objectAt(packument.versions)[version]).dist);
  if (typeof dist.tarball !== 'string' || !/^https?:\/\//.test(dist.tarball)) {
    const versions = Object.keys(objectAt(packument.versions));
    throw new InputError(`the package ${name} has no version ${wanted}`, {
      where: registry,
      expected: `an exact version or a tag: ${versions.slice(-5).join(', ') || 'it has none'}`,
    });
  }
  if (typeof dist.integrity === 'string') return { name, version, tarball: dist.tarball, integrity: dist.integrity };
  throw new InputError(`the package ${name}@${version} has no checksum that can be trusted`, { where: registry });
}
