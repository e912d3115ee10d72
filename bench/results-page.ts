import { type Machine, median } from '../src/evaluate/bench-machine.js';
import { type Column, markdownTable } from '../src/util/table.js';
import { OURS, TENSORFLOW_JS, TORCH, TORCH_DEBIAN, TORCH_MKL } from './contenders.js';
import type { PartResult } from './parts.js';

/** Everything that one machine measured on one day. */
export interface BenchResults {
  readonly date: string;
  readonly machine: Machine;
  readonly threads: number;
  /** The command line of each part. */
  readonly commands: { [part: string]: string };
  readonly parts: { [part: string]: PartResult };
}

const right = (title: string): Column => ({ title, align: 'right' });
const figures = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));
const percent = (value: number): string => `${(100 * value).toFixed(1)}%`;

/** Median over the runs of a contender; undefined where it has none. */
function value(part: PartResult | undefined, contender: string, key: string): number | undefined {
  const values = (part?.runs[contender] ?? []).map((run) => run[key]).filter((one) => typeof one === 'number');
  return values.length === 0 ? undefined : median(values);
}

/** The fastest that the machine has shown itself to be, in GFLOP/s. */
function peakOf({ parts }: BenchResults): number {
  const runs = Object.values(parts).flatMap((part) => part.runs[OURS] ?? []);
  return Math.max(...runs.map(({ peakGflops }) => (typeof peakGflops === 'number' ? peakGflops : 0)));
}

interface Target {
  readonly what: string;
  readonly target: number;
  readonly measured: number | undefined;
  readonly atMost?: boolean;
  readonly show: (value: number) => string;
}

const times = (value: number): string => `${value.toFixed(2)}x`;
const milliseconds = (value: number): string => `${figures(value)} ms`;
const megabytes = (value: number): string => `${figures(value)} MB`;

function faster(part: PartResult | undefined, peer: string): number | undefined {
  const [mine, theirs] = [value(part, OURS, 'ms'), value(part, peer, 'ms')];
  return mine === undefined || theirs === undefined ? undefined : theirs / mine;
}

function trainTargets(
  name: string,
  part: PartResult | undefined,
  peak: number,
  share: number,
  debian: number,
): Target[] {
  if (part === undefined) return [];
  const gflops = value(part, OURS, 'gflops');
  const memories = [TORCH, TORCH_MKL, TORCH_DEBIAN].flatMap((peer) => value(part, peer, 'peakRssMb') ?? []);
  const mine = (key: string): number | undefined => value(part, OURS, key);
  return [
    { what: `${name}: share of the FMA peak`, target: share, measured: gflops && gflops / peak, show: percent },
    { what: `${name}: against PyTorch`, target: 1.2, measured: faster(part, TORCH), show: times },
    { what: `${name}: against PyTorch, MKL unlocked`, target: 1.2, measured: faster(part, TORCH_MKL), show: times },
    {
      what: `${name}: against Debian's PyTorch 1.13`,
      target: debian,
      measured: faster(part, TORCH_DEBIAN),
      show: times,
    },
    {
      what: `${name}: outside ONNX Runtime`,
      target: 0.03,
      measured: mine('overheadShare'),
      atMost: true,
      show: percent,
    },
    { what: `${name}: optimizer`, target: 0.07, measured: mine('optimizerShare'), atMost: true, show: percent },
    ...(memories.length === 0
      ? []
      : [
          {
            what: `${name}: peak memory, against the leanest PyTorch`,
            target: Math.min(...memories),
            measured: mine('peakRssMb'),
            atMost: true,
            show: megabytes,
          },
        ]),
  ];
}

function targetsOf(results: BenchResults): Target[] {
  const { parts } = results;
  const peak = peakOf(results);
  const { 'train-large': large, tokenizer } = parts;
  const all: Target[] = [
    ...trainTargets('small GPT', parts['train-small'], peak, 0.65, 2),
    ...trainTargets('large GPT', large, peak, 0.6, 1.6),
    {
      what: 'compile of the 12-layer step',
      target: 1500,
      measured: value(large, OURS, 'compileMs'),
      atMost: true,
      show: milliseconds,
    },
    { what: 'small GPT: against TensorFlow.js', target: 4, measured: faster(parts.tfjs, TENSORFLOW_JS), show: times },
    {
      what: '12 layers: against TensorFlow.js',
      target: 4,
      measured: faster(parts['tfjs-large'], TENSORFLOW_JS),
      show: times,
    },
    {
      what: 'tokenizer training, MB/s',
      target: 5,
      measured: value(tokenizer, OURS, 'trainingMegabytesPerSecond'),
      show: figures,
    },
    {
      what: 'encoding against @huggingface/tokenizers',
      target: 3,
      measured: value(tokenizer, OURS, 'timesPeer'),
      show: times,
    },
    {
      what: 'start of athanor --help',
      target: 150,
      measured: value(parts.startup, OURS, 'ms'),
      atMost: true,
      show: milliseconds,
    },
  ];
  all.push(...exchangeTargets(parts.exchange));
  return all.filter(({ measured }) => measured !== undefined);
}

/** Ours against a program that reads the same weights, by a number of which more is better. */
function ratio(part: PartResult | undefined, key: string, mine: string, peer: string): number | undefined {
  const [ours, theirs] = [value(part, `${OURS}, ${mine}`, key), value(part, peer, key)];
  return ours === undefined || theirs === undefined ? undefined : ours / theirs;
}

function exchangeTargets(part: PartResult | undefined): Target[] {
  const four = '4 bits (Q4_0)';
  const of = (key: string, peer: string): number | undefined => ratio(part, key, four, peer);
  const [llama, transformers] = ['llama.cpp, Q4_0', 'transformers.js, q4'];
  return [
    { what: '4 bits: decoding against llama.cpp', target: 1, measured: of('tokensPerSecond', llama), show: times },
    {
      what: '4 bits: decoding against transformers.js',
      target: 1.5,
      measured: of('tokensPerSecond', transformers),
      show: times,
    },
    {
      what: '4 bits: prompt against llama.cpp',
      target: 1.5,
      measured: of('prefillTokensPerSecond', llama),
      show: times,
    },
    {
      what: '4 bits: prompt against transformers.js',
      target: 1.5,
      measured: of('prefillTokensPerSecond', transformers),
      show: times,
    },
    {
      what: 'loading 538 MB of float32, to the first token',
      target: 2000,
      measured: value(part, `${OURS}, float32`, 'loadMs'),
      atMost: true,
      show: milliseconds,
    },
  ];
}

/** Numbers of programs that read the same model from files. */
function exchangeNumbers(part: PartResult): string {
  const keys = ['tokensPerSecond', 'prefillTokensPerSecond', 'loadMs', 'gigabytesPerSecond', 'peakRssMb'] as const;
  const columns = ['', ...['tokens/s', 'prompt tokens/s', 'load, ms', 'GB/s of weights', 'peak MB', 'runs'].map(right)];
  const rows = Object.entries(part.runs).map(([name, runs]) => [
    runs[0]?.version === undefined ? name : `${name} (${runs[0].version})`,
    ...keys.map((key) => {
      const number = value(part, name, key);
      return number === undefined ? '' : figures(number);
    }),
    String(runs.length),
  ]);
  return markdownTable(columns, rows);
}

function verdict({ target, measured, atMost = false }: Target): string {
  const off = atMost ? measured! / target - 1 : 1 - measured! / target;
  return off <= 0 ? 'met' : `missed by ${percent(off)}`;
}

function numbersOf(part: PartResult, peak: number): string {
  const columns = [
    '',
    right('ms'),
    right('tokens/s'),
    right('GFLOP/s'),
    right('of the peak'),
    right('peak memory'),
    right('runs'),
  ];
  const cell = (number: number | undefined, show: (value: number) => string): string =>
    number === undefined ? '' : show(number);
  const rows = Object.entries(part.runs).map(([name, runs]) => {
    const version = runs[0]?.version === undefined ? '' : ` ${runs[0].version}`;
    const of = (key: string): number | undefined => value(part, name, key);
    const gflops = of('gflops');
    return [
      name + version,
      cell(of('ms'), figures),
      cell(of('tokensPerSecond'), figures),
      cell(gflops, figures),
      cell(gflops !== undefined && peak > 0 ? gflops / peak : undefined, percent),
      cell(of('peakRssMb'), megabytes),
      String(runs.length),
    ];
  });
  return markdownTable(columns, rows);
}

const FURTHER: Readonly<Record<string, readonly string[]>> = {
  tokenizer: [
    'trainingMegabytesPerSecond',
    'coldMegabytesPerSecond',
    'warmMegabytesPerSecond',
    'peerMegabytesPerSecond',
  ],
  decode: ['prefillTokensPerSecond', 'gigabytesPerSecond', 'memoryGigabytesPerSecond', 'share'],
  train: ['compileMs', 'forwardBackwardMs', 'peakGflops', 'matmulPeakGflops', 'overheadShare', 'optimizerShare'],
};

function section(name: string, part: PartResult, peak: number): string {
  const mine = part.runs[OURS];
  const further = (FURTHER[name] ?? FURTHER.train!).flatMap((key) => {
    const measured = value(part, OURS, key);
    return measured === undefined ? [] : [`${key} ${figures(measured)}`];
  });
  return [
    `## ${part.title}`,
    name === 'exchange' ? exchangeNumbers(part) : numbersOf(part, peak),
    ...(mine && further.length > 0 ? [`${OURS}: ${further.join(', ')}.`] : []),
    ...Object.entries(part.missing).map(([peer, why]) => `Without ${peer}: ${why}.`),
    ['```', ...Object.values(part.commands), '```'].join('\n'),
  ].join('\n\n');
}

/** The results as a Markdown page. @param file name of the JSON file. @param notes what a person adds, such as why. */
export function resultsPage(results: BenchResults, file: string, notes: string | undefined): string {
  const { date, machine, threads, parts } = results;
  const { processor, cores, memoryGb, system, node } = machine;
  const targets = targetsOf(results).map((target) => [
    target.what,
    `${target.atMost === true ? 'at most' : 'at least'} ${target.show(target.target)}`,
    target.show(target.measured!),
    verdict(target),
  ]);
  const commands = [...new Set(Object.values(results.commands))];
  return `${[
    '# Results',
    `${date}, ${processor}, ${cores} cores, ${memoryGb} GB, ${system}, Node ${node}, ${threads} threads. Every run: [${file}](${file}).`,
    ['```', 'npm run build', ...commands, '```'].join('\n'),
    'Medians; where a contender ran several times, the median of the medians. Contenders take turns within a part. The peak is the highest that any run measured.',
    '## Targets',
    markdownTable(['what', 'target', right('measured'), ''], targets),
    ...(notes === undefined ? [] : [notes.trim()]),
    ...Object.entries(parts).map(([name, part]) => section(name, part, peakOf(results))),
  ].join('\n\n')}\n`;
}
