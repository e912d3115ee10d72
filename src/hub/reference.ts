import { InputError } from '../util/errors.js';
import { printable } from './hub-error.js';

/** A repository of the Hub at a revision, written `hf:owner/name@revision`, or a file in it: `hf:owner/name/model.gguf`. */
export interface HubReference {
  readonly kind: 'model' | 'dataset';
  /** Undefined for the few old repositories that have none, as `gpt2`. */
  readonly owner: string | undefined;
  readonly name: string;
  /** A branch, a tag, `refs/pr/1` or a commit. */
  readonly revision: string;
  /** One file of it, where one is meant: a path with slashes. */
  readonly file?: string;
}

const PREFIX = 'hf:';
const MOST_NAME_CHARACTERS = 96;

/** What the Hub allows as the name of an owner or a repository. */
function isName(text: string): boolean {
  return /^[A-Za-z0-9_](?:[\w.-]*\w)?$/.test(text) && !/--|\.\.|\.git$/.test(text);
}

/** What may be a branch, a tag or a commit, and is harmless as the path of a file. */
function isRevision(text: string): boolean {
  const harmless = /^[^\s\p{Cc}\p{Cf}~^:?*[\\@"<>|]{1,200}$/u.test(text);
  return harmless && text.split('/').every((part) => part !== '' && !/^\.|\.$|\.\.|\.lock$/.test(part));
}

/** What may be a GGUF file's path in a repository. */
function isGgufPath(parts: readonly string[]): boolean {
  return parts.every((part) => /^\w[\w.+-]{0,150}$/.test(part)) && /\.gguf$/i.test(parts.at(-1)!);
}

/**
 * Reads `hf:owner/name[/model.gguf][@revision]` or `hf:datasets/owner/name[@revision]`; without a revision it is `main`.
 *
 * @returns undefined for a text that does not begin with `hf:`
 * @throws {InputError} if it does and is malformed.
 */
export function parseHubReference(text: string): HubReference | undefined {
  if (!text.startsWith(PREFIX)) return undefined;
  const at = text.indexOf('@');
  const parts = text.slice(PREFIX.length, at < 0 ? undefined : at).split('/');
  const kind = parts[0] === 'datasets' ? 'dataset' : 'model';
  if (kind === 'dataset') parts.shift();
  const revision = at < 0 ? 'main' : text.slice(at + 1);
  // A repository that holds models for llama.cpp holds one in many precisions: the file says which.
  const inside = kind === 'model' && parts.length > 2 && isGgufPath(parts.slice(2)) ? parts.splice(2) : [];
  const name = parts.pop();
  const owner = parts.pop();
  const names = owner === undefined ? [name] : [owner, name];
  const fits =
    names.every((part) => part !== undefined && isName(part)) && names.join('/').length <= MOST_NAME_CHARACTERS;
  if (parts.length > 0 || name === undefined || !fits || !isRevision(revision)) {
    throw new InputError('not a repository of the Hugging Face Hub', {
      expected: 'hf:owner/name, hf:owner/name@revision, hf:owner/name/model.gguf or hf:datasets/owner/name',
      got: printable(text),
    });
  }
  return { kind, owner, name, revision, ...(inside.length > 0 ? { file: inside.join('/') } : {}) };
}

/** `owner/name`. */
export function repositoryId({ owner, name }: HubReference): string {
  return owner === undefined ? name : `${owner}/${name}`;
}

/** The text that `parseHubReference` reads. */
export function formatHubReference(reference: HubReference): string {
  const { kind, revision, file } = reference;
  const at = revision === 'main' ? '' : `@${revision}`;
  const inside = file === undefined ? '' : `/${file}`;
  return `${PREFIX}${kind === 'dataset' ? 'datasets/' : ''}${repositoryId(reference)}${inside}${at}`;
}
