import * as fs from 'node:fs';
import { homedir } from 'node:os';
import * as path from 'node:path';
import { InputError } from '../util/errors.js';

/** What the environment says about the Hub; the variables are those of Hugging Face's own tools. */
export interface HubSettings {
  /** Where the Hub is, without a slash at its end: `HF_ENDPOINT`, for mirrors. */
  readonly endpoint: string;
  /** `HF_HUB_CACHE`, or `hub` in `HF_HOME`. */
  readonly cacheFolder: string;
  /** `HF_TOKEN`, or what `hf auth login` has stored. Never to be printed. */
  readonly token: string | undefined;
  /** `HF_HUB_OFFLINE`. */
  readonly offline: boolean;
  /** How long a silent server is waited for: `HF_HUB_DOWNLOAD_TIMEOUT`, in seconds there. */
  readonly timeoutMs: number;
}

const DEFAULT_ENDPOINT = 'https://huggingface.co';
const DEFAULT_TIMEOUT_MS = 30_000;

/** Reads the settings from the environment. @throws {InputError} naming the variable that is not usable. */
export function hubSettings(environment: NodeJS.ProcessEnv): HubSettings {
  // Set and empty is the same as not set.
  const get = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const isOn = (name: string): boolean => /^(?:1|on|yes|true)$/i.test(get(name) ?? '');
  const folder = (text: string): string => path.resolve(expand(text, environment));

  const base = get('XDG_CACHE_HOME') ?? path.join(homedir(), '.cache');
  const home = folder(get('HF_HOME') ?? path.join(base, 'huggingface'));
  const seconds = Number(get('HF_HUB_DOWNLOAD_TIMEOUT') ?? Number.NaN);
  return {
    endpoint: readEndpoint(get('HF_ENDPOINT') ?? DEFAULT_ENDPOINT),
    cacheFolder: folder(get('HF_HUB_CACHE') ?? get('HUGGINGFACE_HUB_CACHE') ?? path.join(home, 'hub')),
    token:
      readToken('HF_TOKEN', get('HF_TOKEN') ?? get('HUGGING_FACE_HUB_TOKEN')) ??
      (isOn('HF_HUB_DISABLE_IMPLICIT_TOKEN')
        ? undefined
        : storedToken(folder(get('HF_TOKEN_PATH') ?? path.join(home, 'token')))),
    offline: isOn('HF_HUB_OFFLINE') || isOn('TRANSFORMERS_OFFLINE'),
    timeoutMs: seconds > 0 && seconds < 1e6 ? seconds * 1000 : DEFAULT_TIMEOUT_MS,
  };
}

/** `~` and `$NAME` in a path, as Hugging Face's own tools replace them. */
function expand(text: string, environment: NodeJS.ProcessEnv): string {
  return text
    .replace(/^~(?=$|[\\/])/, homedir())
    .replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => {
      return environment[braced ?? bare ?? ''] ?? whole;
    });
}

function readEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && url.username === '' && url.password === '' && url.search + url.hash === '';
  if (!isPlain || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    // The text itself is not shown: there may be a password in it.
    throw new InputError('not an address of a Hub', {
      where: 'HF_ENDPOINT',
      expected: `an address as ${DEFAULT_ENDPOINT}, without name, password or question mark`,
    });
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

function readToken(where: string, text: string | undefined): string | undefined {
  if (text === undefined || /^[\x21-\x7e]{1,4096}$/.test(text)) return text;
  throw new InputError('not a token of the Hub', {
    where,
    expected: 'letters and digits, as hf_ followed by some 34 of them',
    hint: 'Tokens are made at https://huggingface.co/settings/tokens',
  });
}

function storedToken(file: string): string | undefined {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch {
    return undefined; // Nobody has logged in here.
  }
  return readToken(file, text.trim() || undefined);
}
