import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Command, commandText, outputOf, ROOT, resultOf } from './child.js';
import { type Contender, OURS, ours, oursCommand, type PeerPlaces, tensorflowJs, torches } from './contenders.js';

export type Result = { readonly [key: string]: unknown };

/** What one part of the bench found; the report is made of these alone. */
export interface PartResult {
  readonly title: string;
  readonly seconds: number;
  /** The command of each contender, as typed. */
  readonly commands: { [contender: string]: string };
  /** The result of every run, by contender, in order. */
  readonly runs: { [contender: string]: Result[] };
  /** Contenders that are missing or failed, and why. */
  readonly missing: { [contender: string]: string };
}

export interface BenchSettings extends PeerPlaces {
  readonly threads: number;
  /** Smallest shapes and one step: to see that everything works. */
  readonly tiny: boolean;
  readonly fromSource: boolean;
}

/** A contender's place in a race, and in how many of its rounds it runs. */
interface Entry {
  readonly contender: Contender;
  readonly rounds: number;
  readonly steps: number;
}

const SMALL = '4,256,4,128,16,4096';
const LARGE = '12,768,12,256,2,50304';
/** The large one does not fit in what WebAssembly can address. */
const LARGE_TFJS = '12,768,12,256,1,4096';
const TINY = '1,32,2,16,2,64';

const note = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

class Part implements PartResult {
  seconds = 0;
  readonly commands: PartResult['commands'] = {};
  readonly runs: PartResult['runs'] = {};
  readonly missing: PartResult['missing'] = {};

  constructor(readonly title: string) {}

  async run(name: string, command: Command, measure: (command: Command) => Promise<Result> = resultOf): Promise<void> {
    const start = performance.now();
    this.commands[name] ??= commandText(command);
    try {
      const result = await measure(command);
      if (typeof result.error === 'string') throw new Error(result.error);
      this.runs[name] = [...(this.runs[name] ?? []), result];
      note(`  ${name}: ${result.ms} ms (took ${((performance.now() - start) / 1000).toFixed(0)} s)`);
    } catch (error) {
      this.missing[name] = (error as Error).message;
      note(`  ${name}: ${this.missing[name]}`);
    }
    this.seconds += (performance.now() - start) / 1000;
  }
}

/** Each round runs every contender once, so that a slow minute of the machine meets all of them. */
async function race(title: string, shape: string, entries: readonly Entry[], settings: BenchSettings): Promise<Part> {
  const part = new Part(title);
  note(title);
  const rounds = settings.tiny ? 1 : Math.max(...entries.map((entry) => entry.rounds));
  for (let round = 0; round < rounds; round++) {
    for (const { contender, rounds: most, steps } of entries) {
      const { name, absent } = contender;
      if (absent !== undefined && !(name in part.missing)) {
        part.missing[name] = absent;
        note(`  ${name}: left out, ${absent}`);
      }
      if (name in part.missing || round >= most) continue;
      const setting = {
        shape: settings.tiny ? TINY : shape,
        steps: settings.tiny ? 1 : steps,
        threads: settings.threads,
      };
      await part.run(name, contender.command(setting, part.runs[name]?.at(-1)));
    }
  }
  return part;
}

async function trainSmall(settings: BenchSettings): Promise<PartResult> {
  const [plain, unlocked, debian] = (await torches(settings)) as [Contender, Contender, Contender];
  const entries = [
    { contender: ours(settings.fromSource), rounds: 3, steps: 10 },
    { contender: plain, rounds: 2, steps: 5 },
    { contender: unlocked, rounds: 3, steps: 8 },
    { contender: debian, rounds: 2, steps: 6 },
  ];
  return race(`Training step, GPT ${SMALL}`, SMALL, entries, settings);
}

async function trainLarge(settings: BenchSettings): Promise<PartResult> {
  const [plain, unlocked, debian] = (await torches(settings)) as [Contender, Contender, Contender];
  // With the first result given, only one kind of attention is run: both take minutes here.
  const fused = (contender: Contender): Contender => ({
    ...contender,
    command: (setting) => contender.command(setting, { attention: 'sdpa' }),
  });
  const entries = [
    { contender: ours(settings.fromSource), rounds: 2, steps: 4 },
    { contender: fused(plain), rounds: 1, steps: 2 },
    { contender: fused(unlocked), rounds: 2, steps: 3 },
    { contender: debian, rounds: 1, steps: 3 },
  ];
  return race(`Training step, GPT ${LARGE}`, LARGE, entries, settings);
}

async function trainTfjs(shape: string, steps: number, settings: BenchSettings): Promise<PartResult> {
  const entries = [
    { contender: ours(settings.fromSource), rounds: 2, steps: 4 },
    { contender: tensorflowJs(settings), rounds: 1, steps },
  ];
  return race(`Training step beside TensorFlow.js, GPT ${shape}`, shape, entries, settings);
}

async function tokenizer({ tiny, fromSource }: BenchSettings): Promise<PartResult> {
  const part = new Part("Tokenizer, WordNet's glosses");
  note(part.title);
  const small = tiny ? ['--vocabulary', '400', '--rounds', '1'] : [];
  await part.run(OURS, oursCommand(fromSource, 'bench', 'tokenizer', ...small, '--json'));
  return part;
}

async function decode({ tiny, fromSource, threads }: BenchSettings): Promise<PartResult> {
  const part = new Part('Decoding, Llama 12,768,12,4,2048,32000, prompt of 256 tokens, 128 new ones');
  note(part.title);
  const small = tiny ? ['--shape', '1,32,2,1,32,64', '--prompt', '8', '--tokens', '4'] : [];
  await part.run(OURS, oursCommand(fromSource, 'bench', 'decode', ...small, '--threads', `${threads}`, '--json'));
  return part;
}

/** Loads, reads and generates with the same weights in every format, beside the programs that the formats come from. */
async function exchange({ tiny, threads, scratch }: BenchSettings): Promise<PartResult> {
  const [prompt, tokens, rounds] = tiny ? ['8', '4', '1'] : ['256', '128', '3'];
  const part = new Part(`Models of 135 M weights in and out, prompt of ${prompt} tokens, ${tokens} new ones`);
  note(part.title);
  const node = (...args: readonly string[]): Command => ({ program: process.execPath, args });
  const folder = path.join(scratch, 'exchange');
  await outputOf(node('--import', 'tsx', 'bench/exchange-files.ts', folder, ...(tiny ? ['--tiny'] : [])));
  const sizes = [String(threads), prompt, tokens, rounds] as readonly string[];
  const here = (file: string, bits: string): Command =>
    node('--import', 'tsx', 'bench/generate.ts', path.join(folder, file), bits, ...sizes);
  const gguf = (type: string): Command =>
    node('bench/peers/llama-cpp.mjs', path.join(folder, `llama-${type}.gguf`), ...sizes);
  const onnx = (dtype: string): Command =>
    node('bench/peers/transformers-js.mjs', path.join(folder, 'llama-onnx'), dtype, ...sizes);
  const contenders: Readonly<Record<string, Command>> = {
    [`${OURS}, 4 bits (Q4_0)`]: here('llama-Q4_0.gguf', '0'),
    'llama.cpp, Q4_0': gguf('Q4_0'),
    'transformers.js, q4': onnx('q4'),
    [`${OURS}, 8 bits (Q8_0)`]: here('llama-Q8_0.gguf', '0'),
    'llama.cpp, Q8_0': gguf('Q8_0'),
    'transformers.js, q8': onnx('q8'),
    [`${OURS}, float32`]: here('llama', '32'),
    'llama.cpp, F16': gguf('F16'),
    'transformers.js, fp32': onnx('fp32'),
    'transformers.js, fp16': onnx('fp16'),
  };
  const installed = existsSync(path.join(ROOT, 'clients', 'node_modules'));
  // Contenders take turns, so that a slow minute of the machine meets all of them.
  for (let turn = 0; turn < (tiny ? 1 : 2); turn++) {
    for (const [name, command] of Object.entries(contenders)) {
      if (!installed && !name.startsWith(OURS)) part.missing[name] = 'not installed; run: npm run clients';
      else await part.run(name, command);
    }
  }
  for (const name of Object.keys(part.commands)) {
    part.commands[name] = part.commands[name]!.replaceAll(folder, 'FOLDER');
  }
  return part;
}

/** Starts from the shipped files whatever the settings: the source is no measure of it. */
async function startup({ tiny }: BenchSettings): Promise<PartResult> {
  const part = new Part('Start of `athanor --help`');
  note(part.title);
  const time = async (command: Command): Promise<Result> => {
    const begin = performance.now();
    await outputOf(command);
    return { ms: Number((performance.now() - begin).toFixed(1)) };
  };
  for (let i = 0; i < (tiny ? 2 : 20); i++) await part.run(OURS, oursCommand(false, '--help'), time);
  return part;
}

/** The parts by name, in the order in which they run. */
export const PARTS: Readonly<Record<string, (settings: BenchSettings) => Promise<PartResult>>> = {
  startup,
  tokenizer,
  decode,
  exchange,
  'train-small': trainSmall,
  'train-large': trainLarge,
  tfjs: (settings) => trainTfjs(SMALL, 3, settings),
  'tfjs-large': (settings) => trainTfjs(LARGE_TFJS, 1, settings),
};
