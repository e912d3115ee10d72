import * as fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { HubProgress } from '../src/hub/progress-line.js';
import { failureOf, HubFixture, MODEL, noise, WEIGHTS } from './hub-fixture.js';
import { breakAfter, giveContent, type Intercept, refuse } from './hub-server.js';

const hub = new HubFixture();

async function expectWhole(fetched: Promise<{ folder: string }>): Promise<void> {
  const { folder } = await fetched;
  expect(fs.readFileSync(path.join(folder, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
  expect(hub.blobs()).toHaveLength(3);
}

/** Treats the first `times` requests for the weights in another way. */
function atFirst(times: number, fault: Intercept): Intercept {
  let count = 0;
  return (request, response) => request.at === 'cdn' && count++ < times && fault(request, response);
}

const ranges = (): (string | undefined)[] =>
  hub.server.requests.filter(({ at }) => at === 'cdn').map(({ headers }) => headers.range);

describe('a broken download', () => {
  it('goes on where it broke, again and again', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    // Seven breaks: more than would be endured if nothing came between them.
    hub.server.intercept = atFirst(7, (request, response) => breakAfter(400_000, request, response, WEIGHTS));
    await expectWhole(hub.fetch());
    expect(ranges()).toHaveLength(8);
    const starts = ranges().map((range) => Number(/\d+/.exec(range ?? '0')));
    expect(starts.every((start, i) => i === 0 || start > starts[i - 1]!)).toBe(true);
  });

  it('goes on in the next run, and says what was there', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    hub.server.intercept = (request, response) =>
      request.at === 'cdn' && breakAfter(100_000, request, response, WEIGHTS);
    expect(await failureOf(hub.fetch())).toMatch(
      /HubError: hf:ada\/tiny: cannot reach .*[\s\S]*goes on where it stopped/,
    );
    const kept = fs.statSync(hub.partial()).size;
    expect(kept).toBeGreaterThan(0);
    expect(fs.existsSync(path.join(hub.folder(), 'snapshots'))).toBe(false);
    hub.server.reset();
    hub.server.commit('models/ada/tiny', MODEL);
    const seen: HubProgress[] = [];
    await expectWhole(hub.fetch({ onProgress: (progress) => seen.push(progress) }));
    expect(ranges()).toEqual([`bytes=${kept}-`]);
    expect(seen[0]?.startBytes).toBeGreaterThanOrEqual(kept);
  });

  it('is followed through a server that ignores ranges', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    let first = true;
    hub.server.intercept = (request, response) => {
      if (request.at !== 'cdn') return false;
      if (!first) return giveContent({ ...request, headers: {} }, response, WEIGHTS);
      first = false;
      return breakAfter(500_000, request, response, WEIGHTS);
    };
    await expectWhole(hub.fetch());
    expect(ranges()[1]).toMatch(/^bytes=[1-9]/);
  });

  it('ends where no length was announced and the body is short', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    hub.server.intercept = atFirst(1, (_, response) => {
      response.writeHead(200).end(WEIGHTS.subarray(0, 1_000_000)); // Chunked: the end looks like the end.
      return true;
    });
    await expectWhole(hub.fetch());
    expect(ranges()).toEqual([undefined, 'bytes=1000000-']);
  });

  it.each([429, 500, 502, 503, 504, 408])('waits and tries again after %i', async (status) => {
    hub.server.commit('models/ada/tiny', MODEL);
    const seen = new Set<string>();
    hub.server.intercept = ({ path: asked }, response) => {
      if (seen.has(asked)) return false;
      seen.add(asked);
      return refuse(response, status, '', 'Not now');
    };
    await expectWhole(hub.fetch());
  });

  it('waits as long as the server asks, within reason', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    hub.server.intercept = atFirst(1, (_, response) => {
      response.setHeader('Retry-After', '1');
      return refuse(response, 429, '', 'Slow down');
    });
    const begun = performance.now();
    await expectWhole(hub.fetch());
    expect(performance.now() - begun).toBeGreaterThan(990);
    hub.server.intercept = (_, response) => {
      response.setHeader('Retry-After', '3600');
      return refuse(response, 429, 'TooMany', 'We had to rate limit you');
    };
    hub.server.commit('models/ada/other', MODEL);
    expect(await failureOf(hub.fetch({}, 'hf:ada/other'))).toMatch(
      /429: We had to rate limit you[\s\S]*asks to wait 1 h 00 min/,
    );
  });

  it('gives up on a server that stays silent, before and within a body', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    hub.server.intercept = ({ path: asked }) => asked.includes('/revision/');
    const failure = await failureOf(hub.fetch({ variables: { HF_HUB_DOWNLOAD_TIMEOUT: '0.05' } }));
    expect(failure).toMatch(/127\.0\.0\.1:\d+ has been silent for 0\.05 s/);
    hub.server.intercept = atFirst(1, (_, response) => {
      response.writeHead(200, { 'Content-Length': WEIGHTS.length });
      response.write(WEIGHTS.subarray(0, 50_000));
      return true;
    });
    await expectWhole(hub.fetch({ variables: { HF_HUB_DOWNLOAD_TIMEOUT: '0.5' } }));
    expect(ranges()[1]).toBe('bytes=50000-');
  });

  it('gives up on a server that lets bytes drip', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    const timers: NodeJS.Timeout[] = [];
    hub.server.intercept = ({ at }, response) => {
      if (at !== 'cdn') return false;
      response.writeHead(200, { 'Content-Length': WEIGHTS.length });
      timers.push(setInterval(() => response.write('x'), 5));
      return true;
    };
    const failure = await failureOf(hub.fetch({ variables: { HF_HUB_DOWNLOAD_TIMEOUT: '0.05' } }));
    timers.forEach(clearInterval);
    expect(failure).toContain('has been silent');
  });

  it('is tried twice where the content is wrong, and then thrown away', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    const wrong = noise(WEIGHTS.length, 9);
    hub.server.intercept = atFirst(1, (request, response) => giveContent(request, response, wrong));
    await expectWhole(hub.fetch());
    fs.rmSync(hub.folder(), { recursive: true });
    hub.server.intercept = (request, response) => request.at === 'cdn' && giveContent(request, response, wrong);
    expect(await failureOf(hub.fetch())).toMatch(
      /CorruptFileError: hf:ada\/tiny: model\.safetensors came damaged twice/,
    );
    expect(hub.blobs().filter((name) => name.length >= 64)).toEqual([]);
    hub.server.intercept = undefined;
    await expectWhole(hub.fetch());
  });

  it('small files are held against their checksum too', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    hub.server.intercept = (request, response) =>
      request.path.endsWith('/config.json') && giveContent(request, response, Buffer.from('{"model_type":"LLAMA"}'));
    expect(await failureOf(hub.fetch())).toContain('config.json came damaged twice');
  });

  it.each([
    ['other bytes', noise(100_000, 7)],
    ['too many bytes', noise(WEIGHTS.length + 5, 7)],
  ])('begins anew where the partial file holds %s', async (_, rubbish) => {
    hub.server.commit('models/ada/tiny', MODEL);
    await hub.fetch();
    const whole = path.join(hub.folder(), 'blobs', hub.blobs().find((name) => name.length === 64)!);
    fs.rmSync(path.join(hub.folder(), 'snapshots'), { recursive: true });
    fs.rmSync(whole);
    fs.writeFileSync(`${whole}.athanor.incomplete`, rubbish);
    await expectWhole(hub.fetch());
  });

  it('repairs what somebody has cut or removed in the cache', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    const { folder } = await hub.fetch();
    fs.truncateSync(path.join(folder, 'model.safetensors'), 1000);
    await expectWhole(hub.fetch());
    fs.rmSync(path.join(folder, 'config.json'));
    fs.symlinkSync('../../blobs/nowhere', path.join(folder, 'config.json'));
    await expectWhole(hub.fetch());
    expect(fs.readFileSync(path.join(folder, 'config.json'), 'utf8')).toBe(MODEL['config.json']);
  });

  it('can be stopped, and keeps what has come', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    hub.server.intercept = ({ at }, response) =>
      at === 'cdn' && (response.writeHead(200).write(WEIGHTS.subarray(0, 700_000)) || true);
    const controller = new AbortController();
    const onProgress = ({ fileBytes }: HubProgress): void => {
      if (fileBytes === 700_000) controller.abort();
    };
    expect(await failureOf(hub.fetch({ signal: controller.signal, onProgress }))).toContain('the download was stopped');
    expect(fs.statSync(hub.partial()).size).toBe(700_000);
    expect(hub.everything().filter((file) => file.endsWith('.lock'))).toEqual([]);
    expect(await failureOf(hub.fetch({ signal: AbortSignal.abort() }))).toContain('the download was stopped');
  });

  it('ends before it begins where the disk has no room, or cannot be written', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    hub.server.intercept = ({ path: asked }, response) => {
      if (!asked.includes('/tree/')) return false;
      const lfs = { oid: 'a'.repeat(64), size: 2 ** 52 };
      response.end(JSON.stringify([{ type: 'file', path: 'model.safetensors', oid: 'b'.repeat(40), size: 1, lfs }]));
      return true;
    };
    expect(await failureOf(hub.fetch())).toMatch(/WriteError: .*not enough space on the disk[\s\S]*4\.5 PB/);
    expect(hub.server.downloads()).toEqual([]);
    hub.server.intercept = undefined;
    fs.writeFileSync(path.join(hub.folder(), 'blobs'), 'in the way');
    expect(await failureOf(hub.fetch())).toMatch(/^WriteError: .*cannot write: a file of that name is in the way/);
  });
});
