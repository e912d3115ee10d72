/**
 * Feeds readers with damaged files for as long as is asked, and keeps those that a reader does not bear in the corpus.
 * Files that reach code which none reached before become seeds.
 *
 *     npx tsx test/fuzz.ts READER [--seconds 60] [--seed 1]
 */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { Session } from 'node:inspector';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Random } from '../src/util/random.js';
import { corpusOf } from './corpus-files.js';
import { mutated } from './mutations.js';
import { faultOf, outcomeOf } from './outcome.js';
import { type Files, place, READERS, type Reader } from './readers.js';
import { SEEDS } from './seeds.js';

const MOST_SECONDS = 1;
const MOST_GROWTH = 300e6;
const BATCH = 48;

/** Blocks of our sources that have run. */
class Coverage {
  private readonly session = new Session();
  private readonly seen = new Set<string>();

  constructor() {
    this.session.connect();
    this.session.post('Profiler.enable');
    this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** How many blocks have run since the last call that had not before. */
  fresh(): number {
    let found = 0;
    this.session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error;
      for (const { url, functions } of answer.result) {
        if (!url.includes('/src/')) continue;
        for (const { ranges } of functions) {
          for (const { startOffset, endOffset, count } of ranges) {
            const key = `${url}:${startOffset}:${endOffset}`;
            if (count === 0 || this.seen.has(key)) continue;
            this.seen.add(key);
            found++;
          }
        }
      }
    });
    return found;
  }

  get blocks(): number {
    return this.seen.size;
  }
}

/** What is wrong with a reader that is given these files. */
export async function faultWith(reader: Reader, folder: string, files: Files): Promise<string | undefined> {
  const target = place(reader, folder, files);
  const before = process.memoryUsage.rss();
  let { error, seconds } = await outcomeOf(reader, target);
  for (let i = 0; i < 2 && seconds > MOST_SECONDS; i++)
    seconds = Math.min(seconds, (await outcomeOf(reader, target)).seconds);
  // Regular expressions of a tokenizer are stopped by the clock.
  const isStopped = error instanceof Error && /regular expressions take too long/.test(error.message);
  if (seconds > MOST_SECONDS && !isStopped) return `took ${seconds.toFixed(1)} s`;
  const growth = process.memoryUsage.rss() - before;
  if (growth > MOST_GROWTH) return `took ${Math.round(growth / 1e6)} MB`;
  return faultOf(error, target);
}

/** Valid files of a reader, and all that are kept of it. */
export function seedsOf(name: string): Files[] {
  return [...(SEEDS[name] ?? []), ...corpusOf(name, READERS[name]!).map(({ files }) => files)];
}

function keep(name: string, reader: Reader, files: Files): string {
  const hash = createHash('sha256');
  for (const content of Object.values(files)) hash.update(content);
  const corpus = fileURLToPath(new URL(`./corpus/${name}/`, import.meta.url));
  const kept = path.join(corpus, `found-${hash.digest('hex').slice(0, 12)}`);
  if (reader.file !== undefined) fs.writeFileSync(kept + path.extname(reader.file), files[reader.file]!);
  else place(reader, kept, files);
  return kept;
}

async function fuzz(name: string, seconds: number, seed: number): Promise<void> {
  const reader = READERS[name];
  if (reader === undefined) throw new Error(`readers: ${Object.keys(READERS).join(', ')}`);
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'athanor-fuzz-'));
  const random = new Random(seed, name);
  const coverage = new Coverage();
  const pool = seedsOf(name);
  const known = new Set<string>();
  const end = Date.now() + 1000 * seconds;
  let runs = 0;
  const check = async (files: Files): Promise<void> => {
    runs++;
    const fault = await faultWith(reader, path.join(folder, 'case'), files);
    if (fault === undefined) return;
    const [first = '', second = ''] = fault.split('\n');
    const key = first.replaceAll(/[\d."'`]+|found-\w+/g, '').slice(0, 60) + second;
    if (known.has(key)) return;
    known.add(key);
    process.stdout.write(`${keep(name, reader, files)}\n  ${fault.slice(0, 800)}\n`);
  };
  for (const files of pool) await check(files);
  coverage.fresh();
  const seeds = pool.length;
  while (Date.now() < end) {
    const batch = Array.from({ length: BATCH }, () => mutated(pool[random.integer(pool.length)]!, random));
    for (const files of batch) await check(files);
    if (coverage.fresh() === 0) continue;
    for (const files of batch) {
      await check(files);
      if (coverage.fresh() > 0) pool.push(files);
    }
  }
  fs.rmSync(folder, { recursive: true, force: true });
  process.stdout.write(
    `${name}: ${runs} runs, ${coverage.blocks} blocks, ${pool.length - seeds} new seeds, ${known.size} faults\n`,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
  });
  for (const name of positionals) await fuzz(name, Number(values.seconds), Number(values.seed));
}
