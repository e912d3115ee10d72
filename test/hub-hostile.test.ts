import * as fs from 'node:fs';
import type { ServerResponse } from 'node:http';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { failureOf, HubFixture, MODEL, WEIGHTS } from './hub-fixture.js';
import { gitSha1, json } from './hub-server.js';

const hub = new HubFixture();
const small = Buffer.from('boo');

function end(response: ServerResponse, content?: Uint8Array | string): true {
  response.end(content);
  return true;
}

/** Makes the server list these entries. */
function list(...entries: unknown[]): void {
  hub.server.commit('models/ada/tiny', MODEL);
  hub.server.intercept = ({ path: asked }, response) => {
    if (asked.includes('/tree/')) return json(response, entries);
    return asked.includes('/resolve/') && end(response, small);
  };
}

const entry = (name: unknown): unknown => ({ type: 'file', path: name, size: small.length, oid: gitSha1(small) });

describe('a hostile server', () => {
  it.each([
    '../evil',
    '../../../../evil',
    'a/../../evil',
    '/etc/evil',
    '//host/evil',
    'C:\\evil',
    'c:evil',
    'a/C:/evil',
    '..\\..\\evil',
    '\\\\host\\share',
    'a\0b',
    'a\nb',
    'a//b',
    './a',
    'a/.',
    '',
    'x'.repeat(300),
    'a/'.repeat(600),
  ])('cannot write to %j', async (name) => {
    list(entry('config.json'), entry(name));
    expect(await failureOf(hub.fetch({ files: () => true }))).toMatch(/name is not safe to write|without a name/);
    expect(hub.everything()).toEqual([]);
    expect(fs.existsSync(path.join(path.dirname(hub.home), 'evil'))).toBe(false);
  });

  it('cannot go through a link that it had made, nor through one that lies in the cache', async () => {
    list(entry('folder'), entry('folder/evil'));
    expect(await failureOf(hub.fetch({ files: () => true }))).toMatch(/^WriteError: .*cannot write/);
    const commit = hub.server.commit('models/ada/tiny', MODEL);
    const outside = path.join(hub.home, 'outside');
    fs.mkdirSync(outside);
    fs.rmSync(path.join(hub.folder(), 'snapshots', commit), { recursive: true });
    fs.mkdirSync(path.join(hub.folder(), 'snapshots', commit));
    fs.symlinkSync(outside, path.join(hub.folder(), 'snapshots', commit, 'folder'));
    list(entry('folder/evil'));
    expect(await failureOf(hub.fetch({ files: () => true }))).toContain('a link leads out of the snapshot');
    expect(fs.readdirSync(outside)).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['a number', 7],
    ['an object', { error: 'x' }],
    ['a file without name', [{ type: 'file', size: 1, oid: 'a'.repeat(40) }]],
    ['a negative size', [{ type: 'file', path: 'a', size: -1, oid: 'a'.repeat(40) }]],
    ['a size past all', [{ type: 'file', path: 'a', size: 1e300, oid: 'a'.repeat(40) }]],
    ['a size in words', [{ type: 'file', path: 'a', size: '10', oid: 'a'.repeat(40) }]],
    ['a checksum that is a path', [{ type: 'file', path: 'a', size: 1, oid: '../../../evil' }]],
    ['no checksum', [{ type: 'file', path: 'a', size: 1 }]],
    ['a strange LFS entry', [{ type: 'file', path: 'a', size: 1, oid: 'a'.repeat(40), lfs: { oid: 'b', size: 1 } }]],
    ['one path twice', [entry('a'), entry('a')]],
  ])('that lists %s is not believed', async (_, answer) => {
    hub.server.commit('models/ada/tiny', MODEL);
    hub.server.intercept = ({ path: asked }, response) => asked.includes('/tree/') && json(response, answer);
    expect(await failureOf(hub.fetch({ files: () => true }))).toMatch(
      /HubError: hf:ada\/tiny: the answer of .* cannot be used/,
    );
    expect(hub.everything()).toEqual([]);
  });

  it.each(['', '{', '<html>Log in</html>', 'null', '{"sha": "../../x"}', '{"sha": 7}'])(
    'that names the commit by %j is not believed',
    async (text) => {
      hub.server.intercept = (_, response) => end(response, text);
      expect(await failureOf(hub.fetch())).toContain('cannot be used');
    },
  );

  it('cannot fill the memory with a list that does not end', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    const line = Buffer.alloc(2 ** 20, ' ');
    hub.server.intercept = ({ path: asked }, response) => {
      if (!asked.includes('/tree/')) return false;
      const more = (): void => {
        while (!response.destroyed && response.write(line));
      };
      response.on('drain', more);
      more();
      return true;
    };
    const before = process.memoryUsage.rss();
    expect(await failureOf(hub.fetch())).toContain('it is longer than 67108864 bytes');
    expect(process.memoryUsage.rss() - before).toBeLessThan(400e6);
  });

  it('cannot keep us with pages or redirections that do not end', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    hub.server.intercept = ({ path: asked }, response) => {
      if (!asked.includes('/tree/')) return false;
      response.setHeader('Link', `<${hub.server.endpoint}${asked}>; rel="next"`);
      return json(response, []);
    };
    expect(await failureOf(hub.fetch())).toContain('it has more than 200 pages');
    hub.server.intercept = ({ path: asked }, response) => {
      response.writeHead(302, { Location: asked }).end();
      return true;
    };
    hub.server.requests.length = 0;
    expect(await failureOf(hub.fetch())).toContain('the server redirects without end');
    expect(hub.server.requests).toHaveLength(11);
  });

  it.each(['file:///etc/passwd', 'data:text/plain,boo', 'http://a:b@127.0.0.1/', 'http://[', 'javascript:1'])(
    'cannot redirect to %s',
    async (location) => {
      hub.server.intercept = (_, response) => end(response.writeHead(302, { Location: location }));
      expect(await failureOf(hub.fetch())).toContain('redirects to what is no address for a download');
    },
  );

  it('that sends more than it has promised is cut off', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    let sent = 0;
    hub.server.intercept = ({ at }, response) => {
      if (at !== 'cdn') return false;
      const more = (): void => {
        while (!response.destroyed && response.write(WEIGHTS)) sent += WEIGHTS.length;
      };
      response.on('drain', more);
      more();
      return true;
    };
    expect(await failureOf(hub.fetch())).toContain('came damaged twice');
    expect(sent).toBeLessThan(100e6);
    expect(hub.blobs().filter((name) => name.length >= 64)).toEqual([]);
  });

  it('that announces another size than it listed is not waited for', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    hub.server.intercept = ({ at }, response) => {
      if (at !== 'cdn') return false;
      response.writeHead(200, { 'Content-Length': 2 ** 50 }).write('x');
      return true;
    };
    expect(await failureOf(hub.fetch())).toMatch(/sends another file than the Hub lists[\s\S]*of 3000000 bytes/);
  });

  it.each([
    ['another part than was asked for', 'bytes 2900000-2999999/3000000'],
    ['a range that is none', 'bytes all'],
    ['nothing of a range', undefined],
  ])('that answers with %s does no harm', async (_, range) => {
    hub.server.commit('models/ada/tiny', MODEL);
    hub.server.intercept = ({ at }, response) => {
      if (at !== 'cdn') return false;
      response.writeHead(206, range === undefined ? {} : { 'Content-Range': range }).end(WEIGHTS.subarray(2_900_000));
      return true;
    };
    expect(await failureOf(hub.fetch())).toContain('came damaged twice');
    hub.server.intercept = undefined;
    expect((await hub.fetch()).files).toHaveLength(3);
  });
});
