import * as fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { HubProgress } from '../src/hub/progress-line.js';
import { failureOf, HubFixture, MODEL, MODEL_FILES, noise, WEIGHTS } from './hub-fixture.js';
import { gitSha1, refuse } from './hub-server.js';

const hub = new HubFixture();

describe('a download from the Hub', () => {
  it('fills the cache as all tools lay it out', async () => {
    const commit = hub.server.commit('models/ada/tiny', MODEL);
    const { folder, files, ...rest } = await hub.fetch();
    expect(rest).toEqual({ commit, note: undefined });
    expect(folder).toBe(path.join(hub.folder(), 'snapshots', commit));
    expect(files).toEqual(MODEL_FILES);
    expect(fs.readdirSync(folder).sort()).toEqual(MODEL_FILES);
    for (const file of MODEL_FILES) {
      const content = fs.readFileSync(path.join(folder, file));
      expect(content.equals(Buffer.from(MODEL[file as keyof typeof MODEL]))).toBe(true);
    }
    const config = Buffer.from(MODEL['config.json']);
    expect(fs.readlinkSync(path.join(folder, 'config.json'))).toBe(`../../blobs/${gitSha1(config)}`);
    expect(fs.readFileSync(path.join(hub.folder(), 'refs', 'main'), 'utf8')).toBe(commit);
    expect(hub.blobs()).toHaveLength(3);
    expect(hub.everything().filter((file) => /tmp|incomplete|\.lock$/.test(file))).toEqual([]);
  });

  it('asks for nothing twice, and for what is new in a new commit', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    await hub.fetch();
    hub.server.requests.length = 0;
    await hub.fetch();
    expect(hub.server.downloads()).toEqual([]);
    const commit = hub.server.commit('models/ada/tiny', { ...MODEL, 'config.json': '{"model_type":"gpt2"}' });
    const { folder } = await hub.fetch();
    expect(hub.server.downloads().map((request) => request.path)).toEqual([`/ada/tiny/resolve/${commit}/config.json`]);
    expect(fs.readFileSync(path.join(folder, 'config.json'), 'utf8')).toContain('gpt2');
    expect(fs.statSync(path.join(folder, 'model.safetensors')).size).toBe(WEIGHTS.length);
  });

  it('takes branches, commits, datasets, folders and lists of many pages', async () => {
    hub.server.entriesPerPage = 7;
    const names = Array.from({ length: 40 }, (_, i) => `data/part ${i}#é.jsonl`);
    const commit = hub.server.commit(
      'datasets/ada/texts',
      Object.fromEntries(names.map((name) => [name, `text of ${name}`])),
      'refs/pr/1',
    );
    const result = await hub.fetch({ files: () => true }, 'hf:datasets/ada/texts@refs/pr/1');
    expect(result.files).toEqual(names.toSorted());
    expect(fs.readFileSync(path.join(result.folder, names[17]!), 'utf8')).toBe(`text of ${names[17]}`);
    expect(fs.readFileSync(path.join(hub.folder('datasets--ada--texts'), 'refs', 'refs', 'pr', '1'), 'utf8')).toBe(
      commit,
    );
    expect((await hub.fetch({ files: () => true }, `hf:datasets/ada/texts@${commit}`)).folder).toBe(result.folder);
    hub.server.commit('models/gpt2', MODEL);
    expect((await hub.fetch({}, 'hf:gpt2')).folder).toContain('models--gpt2');
  });

  it('takes files of one content, and empty ones', async () => {
    const shard = noise(5000, 3);
    hub.server.commit('models/ada/tiny', { 'a.bin': shard, 'b.bin': shard, 'c.txt': '' });
    const seen: HubProgress[] = [];
    const { folder } = await hub.fetch({ files: () => true, onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)).toMatchObject({ bytes: shard.length, totalBytes: shard.length });
    expect(fs.readFileSync(path.join(folder, 'b.bin')).equals(shard)).toBe(true);
    expect(fs.statSync(path.join(folder, 'c.txt')).size).toBe(0);
    expect(hub.server.downloads().filter(({ at }) => at === 'cdn')).toHaveLength(1);
  });

  it('tells its progress up to the end', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    const seen: HubProgress[] = [];
    await hub.fetch({ onProgress: (progress) => seen.push(progress) });
    const total = MODEL_FILES.reduce((sum, file) => sum + Buffer.from(MODEL[file as keyof typeof MODEL]).length, 0);
    expect(seen.at(-1)).toMatchObject({ bytes: total, totalBytes: total, startBytes: 0 });
    expect(seen.length).toBeGreaterThan(10);
    expect(seen.every(({ bytes }, i) => i === 0 || bytes >= seen[i - 1]!.bytes)).toBe(true);
  });

  it('says what a repository has where it has nothing of use', async () => {
    hub.server.commit('models/ada/tiny', { 'model.gguf': 'x', 'a\u001b[31m.txt': 'y' });
    const failure = await failureOf(hub.fetch());
    expect(failure).toContain('hf:ada/tiny: the repository has none of the files that are needed');
    expect(failure).toContain('model.gguf, a?[31m.txt');
  });
});

describe('the token', () => {
  const token = 'hf_abcdefghijklmnop';

  it('goes to the endpoint and not to the CDN', async () => {
    hub.server.token = token;
    hub.server.commit('models/ada/tiny', MODEL);
    await hub.fetch({ variables: { HF_TOKEN: token } });
    const { requests } = hub.server;
    expect(
      requests.filter(({ at }) => at === 'hub').every(({ headers }) => headers.authorization === `Bearer ${token}`),
    ).toBe(true);
    expect(requests.filter(({ at }) => at === 'cdn').map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  it('does not follow a redirection or a link to another host', async () => {
    hub.server.token = token;
    hub.server.entriesPerPage = 2;
    hub.server.commit('models/ada/tiny', MODEL);
    hub.server.intercept = ({ at, path: asked }, response) => {
      if (at === 'cdn' || !asked.includes('/tree/') || asked.includes('cursor')) return false;
      response.setHeader('Link', `<${hub.server.cdn}/api/steal>; rel="next"`);
      response.end('[]');
      return true;
    };
    await failureOf(hub.fetch({ variables: { HF_TOKEN: token } }));
    hub.server.intercept = ({ at, path: asked }, response) => {
      if (at === 'cdn' || !asked.includes('/tree/')) return false;
      response.writeHead(307, { Location: `${hub.server.cdn}${asked}` }).end();
      return true;
    };
    await failureOf(hub.fetch({ variables: { HF_TOKEN: token } }));
    const elsewhere = hub.server.requests.filter(({ at }) => at === 'cdn');
    expect(elsewhere.length).toBeGreaterThan(0);
    expect(elsewhere.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  it('is read where the login has put it', async () => {
    hub.server.token = token;
    hub.server.commit('models/ada/tiny', MODEL);
    fs.writeFileSync(path.join(hub.home, 'token'), `${token}\n`);
    expect((await hub.fetch()).files).toEqual(MODEL_FILES);
  });

  it('is asked for, and never printed', async () => {
    hub.server.token = token;
    hub.server.commit('models/ada/tiny', MODEL);
    expect(await failureOf(hub.fetch())).toMatch(
      /no such repository, or it is private[\s\S]*answers 401[\s\S]*set HF_TOKEN/,
    );
    const failure = await failureOf(hub.fetch({ variables: { HF_TOKEN: 'hf_wrong' } }));
    expect(failure).toContain('the token does not open this repository');
    expect(failure).not.toContain('hf_wrong');
    expect(await failureOf(hub.fetch({ variables: { HF_TOKEN: 'hf_a\nb' } }))).toMatch(
      /^(?!.*hf_a)InputError: HF_TOKEN/s,
    );
  });
});

describe('a refusal', () => {
  it('of a repository, a revision or a file says which', async () => {
    expect(await failureOf(hub.fetch())).toContain('hf:ada/tiny: there is no such repository or revision');
    hub.server.commit('models/ada/tiny', MODEL);
    expect(await failureOf(hub.fetch({}, 'hf:ada/tiny@v9'))).toContain('the repository has no revision v9');
    hub.server.intercept = ({ path: asked }, response) =>
      asked.includes('/resolve/') && refuse(response, 404, 'EntryNotFound', 'Entry not found');
    expect(await failureOf(hub.fetch())).toMatch(/the file .* is listed, and not there/);
  });

  it('of a gated repository says where to accept its terms', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    hub.server.intercept = ({ path: asked }, response) =>
      asked.includes('/resolve/') && refuse(response, 403, 'GatedRepo', 'Access to ada/tiny is restricted');
    expect(await failureOf(hub.fetch())).toContain(
      `Accept them at ${hub.server.endpoint}/ada/tiny and set HF_TOKEN to a token of the account that did.`,
    );
  });
});

describe('without a network', () => {
  const nowhere = { HF_ENDPOINT: 'http://127.0.0.1:9' };

  it('the cache is used: by branch, by commit, and where the Hub does not answer', async () => {
    const commit = hub.server.commit('models/ada/tiny', MODEL);
    const fetched = await hub.fetch();
    hub.server.requests.length = 0;
    expect(await hub.fetch({ offline: true })).toEqual(fetched);
    expect(await hub.fetch({ variables: { HF_HUB_OFFLINE: '1' } })).toEqual(fetched);
    expect(await hub.fetch({ offline: true }, `hf:ada/tiny@${commit}`)).toEqual(fetched);
    expect(hub.server.requests).toEqual([]);
    const { note, ...rest } = await hub.fetch({ variables: nowhere });
    expect({ ...rest, note: undefined }).toEqual(fetched);
    expect(note).toMatch(/cannot reach 127\.0\.0\.1:9: .*; using the cache$/);
  });

  it('says what is missing and how to get it', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    expect(await failureOf(hub.fetch({ offline: true }))).toMatch(
      /ada\/tiny is not in the cache[\s\S]*Run the same command once with a network, without --offline/,
    );
    const { folder } = await hub.fetch();
    expect(await failureOf(hub.fetch({ offline: true }, 'hf:ada/tiny@v2'))).toContain(
      'revision v2 is not in the cache',
    );
    fs.rmSync(fs.realpathSync(path.join(folder, 'model.safetensors')));
    expect(await failureOf(hub.fetch({ offline: true }))).toMatch(
      /files are missing in the cache\n +got: +model\.safetensors/,
    );
    expect(await failureOf(hub.fetch({ variables: nowhere }))).toMatch(
      /cannot reach 127\.0\.0\.1:9[\s\S]*HF_ENDPOINT may name a mirror/,
    );
  });

  it('shards that an index names, and files that a list of another tool names, are missed', async () => {
    const index = JSON.stringify({
      weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' },
    });
    const commit = hub.server.commit('models/ada/tiny', {
      'config.json': '{}',
      'model.safetensors.index.json': index,
      'model-00001-of-00002.safetensors': noise(2000, 4),
      'model-00002-of-00002.safetensors': noise(2000, 5),
    });
    const { folder } = await hub.fetch();
    expect((await hub.fetch({ offline: true })).files).toHaveLength(4);
    fs.rmSync(path.join(folder, 'model-00002-of-00002.safetensors'));
    expect(await failureOf(hub.fetch({ offline: true }))).toContain('got:      model-00002-of-00002.safetensors');
    fs.mkdirSync(path.join(hub.folder(), 'trees'));
    const list = { format_version: 1, files: { 'tokenizer.json': { size: 2 }, 'README.md': { size: 2 } } };
    fs.writeFileSync(path.join(hub.folder(), 'trees', `${commit}.json`), JSON.stringify(list));
    expect(await failureOf(hub.fetch({ offline: true }))).toContain('tokenizer.json, model-00002-of-00002.safetensors');
  });
});
