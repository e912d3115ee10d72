import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filesUnder, repositoryRoot, sourceOf } from './source-files.js';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Record<string, unknown>;
  readonly dependencies: Record<string, string>;
}

const manifest = JSON.parse(sourceOf('package.json')) as Manifest;
const entries = Object.keys(manifest.exports).filter((entry) => entry !== './package.json');

/** The package as a stranger has it: packed, unpacked somewhere else, beside its declared dependencies and no others. */
describe('the packed package', () => {
  let home = '';
  let installed = '';

  beforeAll(() => {
    if (!existsSync(path.join(repositoryRoot, 'dist'))) throw new Error('there is no dist: run npm run build first');
    home = mkdtempSync(path.join(tmpdir(), 'athanor-package-'));
    const tarball = execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', home], {
      cwd: repositoryRoot,
      encoding: 'utf8',
    }).trim();
    installed = path.join(home, 'node_modules', manifest.name);
    mkdirSync(installed, { recursive: true });
    execFileSync('tar', ['-xzf', path.join(home, tarball), '-C', installed, '--strip-components=1']);
    for (const dependency of Object.keys(manifest.dependencies)) {
      const link = path.join(home, 'node_modules', dependency);
      mkdirSync(path.dirname(link), { recursive: true });
      symlinkSync(path.join(repositoryRoot, 'node_modules', dependency), link);
    }
  });

  afterAll(() => rmSync(home, { recursive: true, force: true }));

  const node = (...args: string[]): string => execFileSync(process.execPath, args, { cwd: home, encoding: 'utf8' });

  it('holds the program, its types and its licence, and no tests', () => {
    expect(readdirSync(installed)).toEqual(expect.arrayContaining(['LICENSE', 'dist', 'package.json']));
    const files = readdirSync(path.join(installed, 'dist'), { recursive: true, encoding: 'utf8' });
    expect(files.filter((file) => file.includes('.test.'))).toEqual([]);
    expect(files.filter((file) => file.endsWith('.d.ts')).length).toBeGreaterThan(0);
  });

  it('every public entry of src is exported', () => {
    const folders = filesUnder('src', 'index.ts').map((file) => `./${file.split('/')[1]}`);
    expect(entries).toEqual(expect.arrayContaining(folders));
  });

  it.skipIf(entries.length === 0).each(entries)('%s can be imported', (entry) => {
    const specifier = path.posix.join(manifest.name, entry);
    const program = `const m = await import('${specifier}'); process.stdout.write(String(Object.keys(m).length))`;
    expect(Number(node('--input-type=module', '-e', program))).toBeGreaterThan(0);
  });

  it('its command prints its help and its version', () => {
    const main = path.join(installed, 'dist', 'cli', 'main.js');
    expect(node(main, '--help')).toContain('Usage: athanor');
    expect(node(main, '--version').trim()).toBe(manifest.version);
  });

  it('has nothing that publint objects to', async () => {
    const { publint } = await import('publint');
    const { messages, pkg } = await publint({ pkgDir: installed, level: 'warning', pack: false });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });
});
