import { createHash } from 'node:crypto';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request that came. */
export interface HubRequest {
  /** Which of the two servers. */
  readonly at: 'hub' | 'cdn';
  readonly method: string;
  /** The decoded path, with the query. */
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
}

/** Answers a request in place of the server, as a broken or hostile one would. @returns whether it did */
export type Intercept = (request: HubRequest, response: http.ServerResponse) => boolean | Promise<boolean>;

export type HubFiles = Readonly<Record<string, Uint8Array | string>>;

const known = new WeakMap<Uint8Array, string>();
const sha256 = (content: Uint8Array): string => {
  const hash = known.get(content) ?? createHash('sha256').update(content).digest('hex');
  known.set(content, hash);
  return hash;
};
export const gitSha1 = (content: Uint8Array): string =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');

interface Repository {
  readonly refs: Map<string, string>;
  readonly commits: Map<string, Map<string, Buffer>>;
}

/**
 * A server on this machine that speaks the part of the Hugging Face Hub's API that downloads use: commits, lists of
 * files in pages, files with their etags, and large files at a second server ("CDN") that refuses tokens.
 */
export class HubServer {
  readonly requests: HubRequest[] = [];
  intercept: Intercept | undefined;
  /** What a token must be; without one all is public. */
  token: string | undefined;
  entriesPerPage = 1000;
  /** Larger files are kept as LFS does: named by SHA-256, at the CDN. */
  smallBytes = 1000;
  private readonly repositories = new Map<string, Repository>();
  private readonly servers: http.Server[] = [];
  private readonly origins = { hub: '', cdn: '' };

  static async start(): Promise<HubServer> {
    const server = new HubServer();
    for (const at of ['hub', 'cdn'] as const) {
      const listener = http.createServer((request, response) => void server.take(at, request, response));
      await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
      server.origins[at] = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
      server.servers.push(listener);
    }
    return server;
  }

  get endpoint(): string {
    return this.origins.hub;
  }

  get cdn(): string {
    return this.origins.cdn;
  }

  async stop(): Promise<void> {
    for (const server of this.servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  /** Forgets repositories, requests and faults. */
  reset(): void {
    this.repositories.clear();
    this.requests.length = 0;
    this.intercept = undefined;
    this.token = undefined;
    this.entriesPerPage = 1000;
  }

  /** Makes a commit. @param id as `models/owner/name` or `datasets/owner/name` @returns its hash */
  commit(id: string, files: HubFiles, revision = 'main'): string {
    const contents = new Map(
      Object.entries(files).map(([path, content]) => [path, Buffer.isBuffer(content) ? content : Buffer.from(content)]),
    );
    const tree = [...contents].map(([path, content]) => `${gitSha1(content)} ${path}`);
    const commit = createHash('sha1')
      .update(`${id}\n${tree.join('\n')}`)
      .digest('hex');
    const repository = this.repositories.get(id) ?? { refs: new Map(), commits: new Map() };
    repository.refs.set(revision, commit);
    repository.commits.set(commit, contents);
    this.repositories.set(id, repository);
    return commit;
  }

  /** The GET requests of files' contents, at the server that gives them. */
  downloads(): HubRequest[] {
    return this.requests.filter(
      ({ at, method, path }) => method === 'GET' && (at === 'cdn' || path.includes('/resolve/')),
    );
  }

  private async take(at: 'hub' | 'cdn', incoming: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { url = '/', headers, method = 'GET' } = incoming;
    const request: HubRequest = { at, method, path: decodeURIComponent(url), headers };
    this.requests.push(request);
    response.on('error', () => {}); // The client may leave at any time.
    if (await this.intercept?.(request, response)) return;
    if (at === 'cdn') this.giveLarge(request, response);
    else if (this.token !== undefined && headers.authorization !== `Bearer ${this.token}`) {
      refuse(response, 401, 'RepoNotFound', 'Invalid username or password.');
    } else this.answer(request, response);
  }

  private answer(request: HubRequest, response: http.ServerResponse): true {
    const api = /^\/api\/((?:models|datasets)\/[^?]+?)\/(revision|tree)\/([^?]+)(?:\?(.*))?$/.exec(request.path);
    const file = /^\/(datasets\/)?([^?]+?)\/resolve\/([^?]+)$/.exec(request.path);
    const id = api?.[1] ?? (file === null ? '' : `${file[1] ?? 'models/'}${file[2]}`);
    const repository = this.repositories.get(id);
    if (repository === undefined) return refuse(response, 404, 'RepoNotFound', 'Repository not found');
    const rest = api?.[3] ?? file?.[3] ?? '';
    const name = [...repository.refs.keys(), ...repository.commits.keys()].find((r) => `${rest}/`.startsWith(`${r}/`));
    const commit = name === undefined ? undefined : (repository.refs.get(name) ?? name);
    const files = repository.commits.get(commit ?? '');
    if (name === undefined || files === undefined) return refuse(response, 404, 'RevisionNotFound', 'Invalid rev id');
    if (api?.[2] === 'revision') {
      return json(response, {
        _id: '1',
        id: id.replace(/^\w+\//, ''),
        sha: commit,
        private: false,
        tags: [],
        siblings: [],
      });
    }
    if (api !== null) return this.giveTree(request, response, files, new URLSearchParams(api[4]));
    const content = files.get(rest.slice(name.length + 1));
    response.setHeader('X-Repo-Commit', commit ?? '');
    if (content === undefined) return refuse(response, 404, 'EntryNotFound', 'Entry not found');
    if (content.length <= this.smallBytes) {
      response.setHeader('ETag', `"${gitSha1(content)}"`);
      return giveContent(request, response, content);
    }
    response.writeHead(302, {
      'X-Linked-Etag': `"${sha256(content)}"`,
      'X-Linked-Size': String(content.length),
      Location: `${this.cdn}/${sha256(content)}?signature=secret`,
    });
    response.end();
    return true;
  }

  private giveTree(
    { path }: HubRequest,
    response: http.ServerResponse,
    files: ReadonlyMap<string, Buffer>,
    query: URLSearchParams,
  ): true {
    const begin = Number(query.get('cursor') ?? 0);
    const end = begin + this.entriesPerPage;
    const entries = [...files].slice(begin, end).map(([name, content]) => this.entryOf(name, content));
    if (end < files.size) {
      const next = `${this.endpoint}${path.replace(/&cursor=\d+/, '')}&cursor=${end}`;
      response.setHeader('Link', `<${next}>; rel="next"`);
    }
    return json(response, entries);
  }

  /** How a file stands in the list. */
  entryOf(path: string, content: Uint8Array): Record<string, unknown> {
    const entry = { type: 'file', oid: gitSha1(content), size: content.length, path };
    if (content.length <= this.smallBytes) return entry;
    return { ...entry, lfs: { oid: sha256(content), size: content.length, pointerSize: 133 } };
  }

  private giveLarge(request: HubRequest, response: http.ServerResponse): true {
    if (request.headers.authorization !== undefined)
      return refuse(response, 400, '', 'Only one auth mechanism allowed');
    const etag = request.path.slice(1, 65);
    const contents = [...this.repositories.values()].flatMap(({ commits }) => [...commits.values()]);
    const content = contents.flatMap((files) => [...files.values()]).find((bytes) => sha256(bytes) === etag);
    if (content === undefined) return refuse(response, 404, '', 'NoSuchKey');
    return giveContent(request, response, content);
  }
}

/** Answers with a content, or the part of it that was asked for. */
export function giveContent({ method, headers }: HubRequest, response: http.ServerResponse, content: Buffer): true {
  const begin = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? Number.NaN);
  if (begin >= content.length) {
    response.writeHead(416).end();
    return true;
  }
  const part = Number.isNaN(begin) ? content : content.subarray(begin);
  if (!Number.isNaN(begin)) {
    response.setHeader('Content-Range', `bytes ${begin}-${content.length - 1}/${content.length}`);
  }
  response.writeHead(Number.isNaN(begin) ? 200 : 206, { 'Content-Length': part.length, 'Accept-Ranges': 'bytes' });
  response.end(method === 'HEAD' ? undefined : part);
  return true;
}

/** Answers with a JSON text. */
export function json(response: http.ServerResponse, value: unknown): true {
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify(value));
  return true;
}

/** Answers that it will not, as the Hub does. */
export function refuse(response: http.ServerResponse, status: number, code: string, text: string): true {
  const headers = code === '' ? {} : { 'X-Error-Code': code, 'X-Error-Message': text };
  response.writeHead(status, { ...headers, 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ error: text }));
  return true;
}

/** Sends so many bytes of a file in answer to a request, then breaks the connection. */
export function breakAfter(bytes: number, request: HubRequest, response: http.ServerResponse, content: Buffer): true {
  const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (begin > 0) response.setHeader('Content-Range', `bytes ${begin}-${content.length - 1}/${content.length}`);
  response.writeHead(begin > 0 ? 206 : 200, { 'Content-Length': content.length - begin });
  response.write(content.subarray(begin, begin + bytes), () => response.destroy());
  return true;
}
