import { AthanorError } from '../util/errors.js';
import { type Connection, send } from './connection.js';
import { HubError, printable } from './hub-error.js';
import { type HubReference, repositoryId } from './reference.js';
import { refusalOf } from './refusal.js';
import { withRetries } from './retry.js';

/** A file of a repository at a commit, as the Hub lists it. */
export interface RemoteFile {
  readonly path: string;
  readonly bytes: number;
  /** The name of its content: SHA-256 for large files, Git's SHA-1 for the others, in hexadecimal. */
  readonly etag: string;
}

const MOST_FILES = 100_000;
/** The Hub sends a thousand files a page. */
const MOST_PAGES = 200;
const MOST_BYTES = 2 ** 26;

/** A full commit, which never changes its meaning. */
export const COMMIT = /^[0-9a-f]{40}$/;

/** The commit that the revision means now. @throws {HubError} */
export async function resolveCommit(connection: Connection, reference: HubReference): Promise<string> {
  if (COMMIT.test(reference.revision)) return reference.revision;
  const hub = await import('@huggingface/hub');
  const { sha } = await understood(connection, () => {
    const parameters = {
      name: repositoryId(reference),
      revision: reference.revision,
      hubUrl: connection.endpoint,
      fetch: guardedFetch(connection, reference),
    };
    return reference.kind === 'dataset'
      ? hub.datasetInfo({ ...parameters, additionalFields: ['sha'] })
      : hub.modelInfo({ ...parameters, additionalFields: ['sha'] });
  });
  if (typeof sha === 'string' && COMMIT.test(sha)) return sha;
  throw strange(connection, 'it names no commit');
}

/** Every file of the repository at a commit. @throws {HubError} also for a list that is not to be believed. */
export async function listRepository(
  connection: Connection,
  reference: HubReference,
  commit: string,
): Promise<RemoteFile[]> {
  const hub = await import('@huggingface/hub');
  return understood(connection, async () => {
    const files: RemoteFile[] = [];
    const paths = new Set<string>();
    const entries: AsyncIterable<unknown> = hub.listFiles({
      repo: { type: reference.kind, name: repositoryId(reference) },
      revision: commit,
      recursive: true,
      hubUrl: connection.endpoint,
      fetch: guardedFetch(connection, reference),
    });
    for await (const entry of entries) {
      const file = fileOf(connection, entry);
      if (file === undefined) continue;
      if (paths.has(file.path)) throw strange(connection, `it lists ${printable(file.path)} twice`);
      paths.add(file.path);
      files.push(file);
      if (files.length > MOST_FILES) throw strange(connection, `it lists more than ${MOST_FILES} files`);
    }
    return files;
  });
}

function fileOf(connection: Connection, entry: unknown): RemoteFile | undefined {
  const { type, path, size, oid, lfs } = (entry ?? {}) as Record<string, unknown>;
  if (type !== 'file') return undefined;
  if (typeof path !== 'string') throw strange(connection, 'it lists a file without a name');
  const large = (lfs ?? undefined) as { oid?: unknown; size?: unknown } | undefined;
  const bytes = large?.size ?? size;
  const etag = large?.oid ?? oid;
  const isHash = typeof etag === 'string' && (large === undefined ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/).test(etag);
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0 || !isHash) {
    throw strange(connection, `it states no usable size or checksum of ${printable(path)}`);
  }
  return { path, bytes, etag };
}

/** Turns what the library makes of a stranger's answer into an error that says what happened. */
async function understood<T>(connection: Connection, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw error instanceof AthanorError ? error : strange(connection, 'it is not what the Hub sends', error);
  }
}

function strange({ where, endpoint }: Connection, why: string, cause?: unknown): HubError {
  return new HubError(`the answer of ${endpoint} cannot be used: ${why}`, {
    where,
    hint: 'If HF_ENDPOINT is set, check that it names a mirror of the Hugging Face Hub.',
    cause,
  });
}

/**
 * The `fetch` that the library is given: tries again, follows redirections with our rules, takes no endless answers,
 * and adds the token itself, since the library wants tokens that begin with `hf_`.
 */
function guardedFetch(connection: Connection, reference: HubReference): typeof fetch {
  let pages = 0;
  let bytes = 0;
  const get = async (url: URL): Promise<Response> => {
    const answer = await send(connection, url.href, { Accept: 'application/json' });
    try {
      if (!answer.response.ok) throw refusalOf(answer, connection, reference);
      const parts: Uint8Array[] = [];
      let size = 0;
      for await (const part of answer.parts()) {
        parts.push(part);
        size += part.length;
        if (bytes + size > MOST_BYTES) throw strange(connection, `it is longer than ${MOST_BYTES} bytes`);
      }
      bytes += size;
      const link = answer.response.headers.get('link');
      return new Response(Buffer.concat(parts), { headers: link === null ? {} : { Link: link } });
    } finally {
      answer.close();
    }
  };
  return (input) => {
    if (++pages > MOST_PAGES) throw strange(connection, `it has more than ${MOST_PAGES} pages`);
    // A mirror may pass on links to the next page that name the Hub itself, which is out of reach for its users.
    const { pathname, search } = new URL(String(input));
    const url = new URL(`${new URL(connection.endpoint).origin}${pathname}${search}`);
    return withRetries(connection, () => get(url));
  };
}
