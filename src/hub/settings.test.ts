import * as fs from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../util/errors.js';
import { hubSettings } from './settings.js';

let home = '';
beforeEach(() => {
  home = fs.mkdtempSync(path.join(tmpdir(), 'athanor-hub-'));
});
afterEach(() => fs.rmSync(home, { recursive: true, force: true }));

describe('the settings of the Hub', () => {
  it('have the defaults of its own tools', () => {
    const settings = hubSettings({ HF_TOKEN_PATH: path.join(home, 'none') });
    expect(settings).toEqual({
      endpoint: 'https://huggingface.co',
      cacheFolder: path.join(homedir(), '.cache', 'huggingface', 'hub'),
      token: undefined,
      offline: false,
      timeoutMs: 30_000,
    });
  });

  it.each<[NodeJS.ProcessEnv, string]>([
    [{ HF_HUB_CACHE: '/a', HUGGINGFACE_HUB_CACHE: '/b', HF_HOME: '/c' }, '/a'],
    [{ HUGGINGFACE_HUB_CACHE: '/b', HF_HOME: '/c' }, '/b'],
    [{ HF_HOME: '/c', XDG_CACHE_HOME: '/d' }, '/c/hub'],
    [{ XDG_CACHE_HOME: '/d' }, '/d/huggingface/hub'],
    [{ HF_HOME: '', XDG_CACHE_HOME: '/d' }, '/d/huggingface/hub'],
    [{ HF_HUB_CACHE: '~/x' }, path.join(homedir(), 'x')],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text that a user writes.
    [{ HF_HOME: '$PLACE/${PLACE}/y', PLACE: '/p' }, '/p/p/y/hub'],
  ])('find the cache by %j', (environment, folder) => {
    expect(hubSettings({ HF_TOKEN_PATH: home, ...environment }).cacheFolder).toBe(path.resolve(folder));
  });

  it('find the token', () => {
    fs.writeFileSync(path.join(home, 'token'), 'hf_stored\n');
    expect(hubSettings({ HF_HOME: home }).token).toBe('hf_stored');
    expect(hubSettings({ HF_HOME: home, HF_TOKEN: ' hf_set ' }).token).toBe('hf_set');
    expect(hubSettings({ HF_HOME: home, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }).token).toBeUndefined();
    expect(hubSettings({ HF_HOME: home, HUGGING_FACE_HUB_TOKEN: 'hf_old' }).token).toBe('hf_old');
  });

  it('read switches and numbers', () => {
    const read = (environment: NodeJS.ProcessEnv) => hubSettings({ HF_HOME: home, ...environment });
    for (const on of ['1', 'true', 'YES', 'On']) expect(read({ HF_HUB_OFFLINE: on }).offline).toBe(true);
    for (const off of ['0', 'no', '']) expect(read({ HF_HUB_OFFLINE: off }).offline).toBe(false);
    expect(read({ HF_HUB_DOWNLOAD_TIMEOUT: '2' }).timeoutMs).toBe(2000);
    expect(read({ HF_HUB_DOWNLOAD_TIMEOUT: 'long' }).timeoutMs).toBe(30_000);
  });

  it('take an endpoint, and print none that is odd', () => {
    const endpoint = (HF_ENDPOINT: string) => hubSettings({ HF_HOME: home, HF_ENDPOINT }).endpoint;
    expect(endpoint('https://mirror.example/')).toBe('https://mirror.example');
    expect(endpoint('http://mirror.example:8080/hub/')).toBe('http://mirror.example:8080/hub');
    for (const odd of ['mirror.example', 'file:///x', 'https://ada:secret@x.example', 'https://x.example?secret']) {
      expect(() => endpoint(odd)).toThrow(InputError);
      expect(() => endpoint(odd)).not.toThrow(/secret/);
    }
  });
});
