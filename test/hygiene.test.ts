import { describe, expect, it } from 'vitest';
import { filesUnder, sourceOf } from './source-files.js';

const TEXTS = ['src', 'test', 'bench', 'scripts', 'examples', 'recipes', 'docs', '.ci']
  .flatMap((folder) => filesUnder(folder, ''))
  .filter((file) => !/\.(png|jpg|gif|svg|onnx|safetensors|bin|ico|woff2)$/.test(file));

/** Things that must not be in a file, each with its reason. */
const FORBIDDEN: readonly { pattern: RegExp; because: string }[] = [
  { pattern: /(?<![\w.~/:-])\/(?:home|root|Users|work)\/\w/, because: 'a path of one machine' },
  { pattern: /\b[A-Z]:\\Users\\/, because: 'a path of one machine' },
  { pattern: /\b(?:TODO|FIXME|XXX|HACK)\b(?=[:( ])/, because: 'a promise; say it in docs/log.md or do it' },
  {
    pattern: /https?:\/\/(?!registry\.npmjs\.org|127\.0\.0\.1|localhost)[\w.-]*registry[\w.-]*/,
    because: 'a registry',
  },
];

function faultsOf(file: string, text: string): string[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      FORBIDDEN.filter(({ pattern }) => pattern.test(line)).map(
        ({ because }) => `${file}:${index + 1}: ${because}: ${line.trim().slice(0, 100)}`,
      ),
    );
}

describe('hygiene', () => {
  it('no file holds what belongs to one machine', () => {
    expect(TEXTS.length).toBeGreaterThan(0);
    expect(TEXTS.filter((file) => file !== 'test/hygiene.test.ts').flatMap((f) => faultsOf(f, sourceOf(f)))).toEqual(
      [],
    );
  });

  it('the check sees what it looks for', () => {
    expect(faultsOf('a.ts', "const data = '/home/ada/corpus';")).toHaveLength(1);
    expect(faultsOf('a.ts', '// TODO: later')).toHaveLength(1);
    expect(faultsOf('a.ts', "fetch('https://example.org/home/page')")).toEqual([]);
  });

  it('the lock file names no host but the public registry', () => {
    const hosts = [...sourceOf('package-lock.json').matchAll(/"resolved": "\w+:\/\/([^/"]+)/g)].map(
      (match) => match[1],
    );
    expect(hosts.filter((host) => host !== 'registry.npmjs.org')).toEqual([]);
  });
});
