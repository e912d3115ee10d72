import { packageVersion } from '../util/package-version.js';
import { HubError, printable, TransientError } from './hub-error.js';
import { stopped } from './retry.js';

/** How one repository is reached. */
export interface Connection {
  /** The reference as the user wrote it; errors begin with it. */
  readonly where: string;
  readonly endpoint: string;
  readonly token: string | undefined;
  /** So long a server may be silent. */
  readonly timeoutMs: number;
  /** The wait after the first failure; it doubles. */
  readonly backoffMs: number;
  /** So many times in a row a request may fail before that is the end. */
  readonly attempts: number;
  readonly signal: AbortSignal | undefined;
}

/** A response, of any status but a redirection. */
export interface Answer {
  readonly response: Response;
  /** Where it came from, after redirections. */
  readonly url: URL;
  /** Gives the body part by part, as long as they keep coming. @throws {TransientError} if they stop. */
  parts(): AsyncGenerator<Uint8Array>;
  /** Ends the exchange; to be called in any case. */
  close(): void;
}

const MOST_REDIRECTIONS = 10;
/** Less than this within the time limit counts as silence; else a byte now and then would keep us for years. */
const LEAST_BYTES = 4096;

let userAgent: string | undefined;

/** Gives up an exchange when it is silent for too long, or when the user does not want it any more. */
class Watch {
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private readonly outer: AbortSignal | undefined;
  private readonly stop = (): void => this.controller.abort();
  private received = 0;
  isSilent = false;

  constructor({ timeoutMs, signal }: Connection) {
    this.outer = signal;
    signal?.addEventListener('abort', this.stop, { once: true });
    if (signal?.aborted === true) this.stop();
    this.timer = setTimeout(() => {
      this.isSilent = true;
      this.controller.abort();
    }, timeoutMs);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** A sign of life. */
  alive(bytes: number): void {
    this.received += bytes;
    if (this.received < LEAST_BYTES) return;
    this.received = 0;
    this.timer.refresh();
  }

  close(): void {
    clearTimeout(this.timer);
    this.outer?.removeEventListener('abort', this.stop);
    this.controller.abort();
  }
}

/**
 * Sends a GET request and follows redirections. The token goes to the endpoint and to nobody else.
 *
 * @throws {TransientError} if the server cannot be reached now
 * @throws {HubError} if it leads astray, or the user stops it
 */
export async function send(
  connection: Connection,
  address: string,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  const { where, token } = connection;
  const home = new URL(connection.endpoint).origin;
  userAgent ??= `athanor/${packageVersion()}`;
  const watch = new Watch(connection);
  let url = new URL(address);
  try {
    for (let hop = 0; hop <= MOST_REDIRECTIONS; hop++) {
      const authorization = token !== undefined && url.origin === home ? { Authorization: `Bearer ${token}` } : {};
      const response = await fetch(url.href, {
        headers: { 'User-Agent': userAgent, 'Accept-Encoding': 'identity', ...headers, ...authorization },
        redirect: 'manual',
        signal: watch.signal,
      });
      const location = response.headers.get('location');
      if (response.status < 300 || response.status >= 400 || location === null) {
        watch.alive(LEAST_BYTES);
        return { response, url, parts: () => partsOf(connection, response, url, watch), close: () => watch.close() };
      }
      await response.body?.cancel();
      url = nextOf(url, location, where);
    }
    throw new HubError('the server redirects without end', { where, got: `${MOST_REDIRECTIONS} redirections` });
  } catch (error) {
    watch.close();
    throw error instanceof HubError ? error : failureOf(connection, url, watch, error);
  }
}

function nextOf(url: URL, location: string, where: string): URL {
  const next = URL.canParse(location, url.href) ? new URL(location, url.href) : undefined;
  const isSafe = next?.protocol === 'https:' || (next?.protocol === 'http:' && url.protocol === 'http:');
  if (next !== undefined && isSafe && next.username === '' && next.password === '') return next;
  throw new HubError('the server redirects to what is no address for a download', {
    where,
    expected: `an address that begins with ${url.protocol}//`,
    got: printable(location.replace(/\?.*/s, '?…')),
  });
}

async function* partsOf(
  connection: Connection,
  response: Response,
  url: URL,
  watch: Watch,
): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  try {
    for await (const part of response.body) {
      watch.alive(part.length);
      yield part;
    }
  } catch (error) {
    throw failureOf(connection, url, watch, error);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be looked up now',
  ECONNREFUSED: 'nobody answers there',
  ECONNRESET: 'the connection broke',
  UND_ERR_SOCKET: 'the connection broke',
  ETIMEDOUT: 'it does not answer',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer',
};

function failureOf({ where, signal, timeoutMs }: Connection, url: URL, watch: Watch, error: unknown): Error {
  if (signal?.aborted === true) return stopped(where, signal.reason);
  if (watch.isSilent) return new TransientError(`${url.host} has been silent for ${timeoutMs / 1000} s`, {});
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (cause as NodeJS.ErrnoException | null)?.code ?? '';
  if (/CERT|SIGNATURE|UNABLE_TO/.test(code)) {
    return new HubError(`the certificate of ${url.host} is not trusted (${code})`, {
      where,
      hint: 'Behind a company proxy, let NODE_EXTRA_CA_CERTS name the file with its certificate.',
      cause,
    });
  }
  const reason = REASONS[code] ?? printable(cause instanceof Error ? cause.message : String(cause));
  return new TransientError(`cannot reach ${url.host}: ${reason}`, { cause });
}
