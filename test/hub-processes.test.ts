import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { HubFixture, MODEL, WEIGHTS } from './hub-fixture.js';
import { repositoryRoot } from './source-files.js';

const hub = new HubFixture();
const PROGRAM = path.join(repositoryRoot, 'test', 'programs', 'hub-fetch.ts');

function start(): ChildProcess & { out: string; progress: string } {
  const child = spawn(process.execPath, ['--import', 'tsx', PROGRAM, 'hf:ada/tiny'], {
    env: { PATH: process.env.PATH, ...hub.environment },
    cwd: repositoryRoot,
  });
  const told = Object.assign(child, { out: '', progress: '' });
  child.stdout.on('data', (text) => (told.out += text));
  child.stderr.on('data', (text) => (told.progress += text));
  return told;
}

const cdnRequests = () => hub.server.requests.filter(({ at }) => at === 'cdn');

describe('processes', () => {
  it('one that is killed leaves what the next one goes on with', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    let begun: () => void = () => {};
    const first = new Promise<void>((resolve) => {
      begun = resolve;
    });
    hub.server.intercept = ({ at }, response) => {
      if (at !== 'cdn') return false;
      response.writeHead(200, { 'Content-Length': WEIGHTS.length });
      response.write(WEIGHTS.subarray(0, 1_500_000), begun);
      return true;
    };
    const killed = start();
    await first;
    while (!fs.existsSync(hub.partial()) || fs.statSync(hub.partial()).size < 1_500_000) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    killed.kill('SIGKILL');
    await once(killed, 'close');
    expect(killed.signalCode).toBe('SIGKILL');
    expect(hub.everything().filter((file) => /[0-9a-f]{64}\.athanor\.lock$/.test(file))).toHaveLength(1);

    hub.server.intercept = undefined;
    hub.server.requests.length = 0;
    const next = start();
    expect(await once(next, 'close')).toEqual([0, null]);
    expect(cdnRequests().map(({ headers }) => headers.range)).toEqual(['bytes=1500000-']);
    expect(fs.readFileSync(path.join(next.out.trim(), 'model.safetensors')).equals(WEIGHTS)).toBe(true);
    expect(hub.everything().filter((file) => /\.lock$|incomplete/.test(file))).toEqual([]);
  });

  it('two at once download each content once, and both have it', async () => {
    hub.server.commit('models/ada/tiny', MODEL);
    // The weights wait until both processes have asked for the list.
    let lists = 0;
    let both: () => void = () => {};
    const together = new Promise<void>((resolve) => {
      both = resolve;
    });
    hub.server.intercept = async ({ at, path: asked }) => {
      if (asked.includes('/tree/') && ++lists === 2) both();
      if (at === 'cdn') await together;
      return false;
    };
    const pair = [start(), start()];
    const ends = await Promise.all(pair.map((child) => once(child, 'close')));
    expect(ends).toEqual([
      [0, null],
      [0, null],
    ]);
    expect(cdnRequests()).toHaveLength(1);
    expect(pair[0]!.out).toBe(pair[1]!.out);
    expect(fs.readFileSync(path.join(pair[0]!.out.trim(), 'model.safetensors')).equals(WEIGHTS)).toBe(true);
  });
});
