import type { Answer, Connection } from './connection.js';
import { HubError, printable, TransientError } from './hub-error.js';
import { type HubReference, repositoryId } from './reference.js';

const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** What a response that is no success means, as an error to throw. */
export function refusalOf(answer: Answer, connection: Connection, reference: HubReference, file?: string): Error {
  const { response, url } = answer;
  const { status, headers } = response;
  const { where, endpoint, token } = connection;
  const said = headers.get('x-error-message');
  const answered = `${url.host} answers ${status}${said === null ? '' : `: ${printable(said)}`}`;
  if (TRANSIENT.has(status)) {
    const waitMs = waitOf(headers);
    return new TransientError(answered, waitMs === undefined ? { status } : { status, waitMs });
  }
  const page = `${endpoint}/${reference.kind === 'dataset' ? 'datasets/' : ''}${repositoryId(reference)}`;
  // The links to the files themselves hold for some minutes; the next attempt gets a fresh one.
  if (url.origin !== new URL(endpoint).origin) return new TransientError(answered, { status });

  const code = headers.get('x-error-code');
  const refuse = (summary: string, hint: string): HubError =>
    new HubError(summary, { where, got: answered, hint, status });
  if (code === 'GatedRepo') {
    const how =
      token === undefined
        ? 'set HF_TOKEN to a token of the account that did'
        : 'check that HF_TOKEN is of that account';
    return refuse('its owner wants terms to be accepted first', `Accept them at ${page} and ${how}.`);
  }
  if (code === 'RevisionNotFound') {
    return refuse(
      `the repository has no revision ${reference.revision}`,
      `Its branches and tags are at ${page}/tree/main`,
    );
  }
  if (code === 'EntryNotFound' || (status === 404 && file !== undefined)) {
    return refuse(`the file ${printable(file ?? '')} is listed, and not there`, 'Run the same command again later.');
  }
  if (status === 401 || status === 403) {
    return token === undefined
      ? refuse(
          'there is no such repository, or it is private',
          `Look at ${page}. If it is yours, set HF_TOKEN to a token that may read it.`,
        )
      : refuse(
          'the token does not open this repository',
          `Check HF_TOKEN, the name, and whether terms must be accepted at ${page}`,
        );
  }
  if (status === 404) return refuse('there is no such repository or revision', `Check the name at ${page}`);
  return refuse('the server refuses', `Look at ${page} and at HF_ENDPOINT.`);
}

/** How long a server asks to wait: `Retry-After` in seconds or as a date, or the Hub's own `RateLimit`. */
export function waitOf(headers: Headers, now = Date.now()): number | undefined {
  const text = headers.get('retry-after')?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  if (!Number.isNaN(date)) return Math.max(0, date - now);
  const reset = /;\s*t=(\d{1,9})/.exec(headers.get('ratelimit') ?? '')?.[1];
  return reset === undefined ? undefined : Number(reset) * 1000;
}
