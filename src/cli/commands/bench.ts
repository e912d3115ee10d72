import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ProfileRow } from '../../runtime/profile.js';
import { readText } from '../../util/files.js';
import type { Json } from '../../util/json.js';
import { textTable } from '../../util/table.js';
import { formatBytes, formatCount, formatNumber, formatPercent, formatRate } from '../../util/units.js';
import { addExamples, wholeNumber } from '../options.js';
import { writeLine, writeNote, writeRecord } from '../output.js';

interface Common {
  readonly json?: boolean;
}

const TRAIN_SHAPE = ['layers', 'width', 'heads', 'time', 'batch', 'vocabularySize'] as const;
const DECODE_SHAPE = ['layers', 'width', 'heads', 'keyHeads', 'hidden', 'vocabularySize'] as const;
/** Rows of a profile that are printed. */
const PROFILE_ROWS = 25;

/** A parser of `4,256,...` into named sizes. */
function shapeParser<Name extends string>(names: readonly Name[]): (text: string) => Record<Name, number> {
  return (text) => {
    const sizes = text.split(',').map(Number);
    if (sizes.length !== names.length || !sizes.every((size) => Number.isSafeInteger(size) && size >= 1)) {
      throw new InvalidArgumentError(`Not ${names.length} whole numbers: ${names.join(',')}.`);
    }
    const shape = Object.fromEntries(names.map((name, i) => [name, sizes[i]!])) as Record<Name, number>;
    const { width, heads, keyHeads } = shape as Readonly<Record<string, number>>;
    if (width! % heads! !== 0) throw new InvalidArgumentError(`Heads (${heads}) do not divide the width (${width}).`);
    if (keyHeads !== undefined && heads! % keyHeads !== 0) {
      throw new InvalidArgumentError(`Key heads (${keyHeads}) do not divide the heads (${heads}).`);
    }
    return shape;
  };
}

/** Declares `athanor bench`. */
export function configure(command: Command): void {
  const train = command
    .command('train')
    .description('a training step of a GPT: time, share of the peak, overhead, memory')
    .option(
      '--shape <sizes>',
      TRAIN_SHAPE.join(','),
      shapeParser(TRAIN_SHAPE),
      shapeParser(TRAIN_SHAPE)('4,256,4,128,16,4096'),
    )
    .option('--steps <count>', 'steps that are timed, after two that are not', wholeNumber({ min: 1 }), 10)
    .option('--profile', 'print on standard error where the time of a step goes')
    .action(trainBench);
  addExamples(train, ['athanor bench train', 'athanor bench train --shape 2,64,2,64,4,512 --steps 5 --json']);
  const decode = command
    .command('decode')
    .description('reading a prompt and generating with a Llama: tokens a second, memory speed')
    .option(
      '--shape <sizes>',
      DECODE_SHAPE.join(','),
      shapeParser(DECODE_SHAPE),
      shapeParser(DECODE_SHAPE)('12,768,12,4,2048,32000'),
    )
    .option('--prompt <count>', 'tokens of the prompt', wholeNumber({ min: 1 }), 256)
    .option('--tokens <count>', 'tokens to generate', wholeNumber({ min: 2 }), 128)
    .option('--rows <count>', 'sequences at once', wholeNumber({ min: 1 }), 1)
    .action(decodeBench);
  addExamples(decode, ['athanor bench decode', 'athanor bench decode --shape 2,64,4,2,128,512 --prompt 16 --json']);
  for (const timed of [train, decode]) {
    timed.option('--threads <count>', 'default: one a core', wholeNumber({ min: 1, max: 512 }), availableParallelism());
  }
  const tokenizer = command
    .command('tokenizer')
    .description("training and encoding on WordNet's glosses, beside @huggingface/tokenizers")
    .option('--vocabulary <count>', 'tokens in all: 257, and merges', wholeNumber({ min: 300 }), 8192 + 257)
    .option('--rounds <count>', 'how often everything is measured', wholeNumber({ min: 1 }), 3)
    .action(tokenizerBench);
  addExamples(tokenizer, ['athanor bench tokenizer', 'athanor bench tokenizer --vocabulary 1024 --rounds 1 --json']);
  const quantized = command
    .command('quantized')
    .description('what packing the weights of a model into 8 and 4 bits costs: perplexity, memory, speed')
    .argument('<model>', 'a model that writes text')
    .requiredOption('--text <file>', 'the text to measure on')
    .option('--tokens <count>', 'most tokens of it', wholeNumber({ min: 2 }), 8192)
    .option('--threads <count>', 'default: one a core', wholeNumber({ min: 1, max: 512 }), availableParallelism())
    .addOption(new Option('--device <name>', 'where to run').choices(['cpu', 'webgpu']).default('cpu'))
    .action(quantizedBench);
  addExamples(quantized, ['athanor bench quantized runs/forge --text book.txt']);
  for (const child of [train, decode, tokenizer, quantized]) child.option('--json', 'print one JSON object');
}

/** What a bench says on the way; nothing to programs. */
function noteOf({ json }: Common): (text: string) => void {
  return json === true ? () => {} : writeNote;
}

function print(result: object, { json }: Common, rows: () => readonly (readonly [string, string])[]): void {
  if (json === true) writeRecord(result as Json);
  else writeLine(textTable(['', ''], rows()));
}

const machineRow = ({ processor, cores, node }: { processor: string; cores: number; node: string }) =>
  ['machine', `${processor}, ${cores} cores, Node ${node}`] as const;

function peakText({ peakGflops, peakSource }: { peakGflops: number; peakSource: string }): string {
  const how =
    peakSource === 'fma' ? 'fused multiply-adds in registers' : 'its fastest matrix product; no C compiler found';
  return `${formatNumber(peakGflops)} GFLOP/s (${how})`;
}

interface TrainOptions extends Common {
  readonly shape: Record<(typeof TRAIN_SHAPE)[number], number>;
  readonly steps: number;
  readonly threads: number;
  readonly profile?: boolean;
}

async function trainBench(options: TrainOptions): Promise<void> {
  const { benchTrain } = await import('../../evaluate/bench-train.js');
  const { result, profile } = await benchTrain({ ...options, onNote: noteOf(options) });
  if (profile !== undefined) writeNote(profileText(profile));
  print(result, options, () => [
    ['model', `${formatCount(result.parameters)} parameters, ${result.threads} threads`],
    ['compile', `${result.compileMs} ms`],
    ['step', `${result.ms} ms (median of ${result.steps}; fastest ${result.fastestMs})`],
    ['speed', `${formatRate(result.tokensPerSecond, 'tokens')}, ${result.gflops} GFLOP/s`],
    ['peak of the machine', peakText(result)],
    ['fastest matrix product', `${result.matmulPeakGflops} GFLOP/s`],
    ['share of the peak', formatPercent(result.share)],
    ['outside ONNX Runtime', formatPercent(result.overheadShare, 2)],
    ['optimizer', formatPercent(result.optimizerShare)],
    ['peak memory', formatBytes(result.peakRssMb * 2 ** 20)],
    machineRow(result.machine),
  ]);
}

function profileText(rows: readonly ProfileRow[]): string {
  const right = (title: string) => ({ title, align: 'right' as const });
  const columns = ['op', 'ONNX', right('nodes'), right('ms'), right('share')];
  const shown = rows.slice(0, PROFILE_ROWS);
  return textTable(
    columns,
    shown.map(({ op, onnx, count, ms, share }) => [
      op,
      onnx,
      String(Math.round(count)),
      ms.toFixed(2),
      formatPercent(share),
    ]),
  );
}

interface DecodeOptions extends Common {
  readonly shape: Record<(typeof DECODE_SHAPE)[number], number>;
  readonly prompt: number;
  readonly tokens: number;
  readonly rows: number;
  readonly threads: number;
}

async function decodeBench(options: DecodeOptions): Promise<void> {
  const { benchDecode } = await import('../../evaluate/bench-decode.js');
  const { prompt: promptTokens, tokens: newTokens } = options;
  const result = await benchDecode({ ...options, promptTokens, newTokens, onNote: noteOf(options) });
  const bytes = result.weightBytesPerToken + result.cacheBytesPerToken;
  const memory = result.memoryGigabytesPerSecond;
  print(result, options, () => [
    ['model', `${formatCount(result.parameters)} parameters, ${result.threads} threads`],
    ['prompt', `${result.prefillMs} ms, ${formatRate(result.prefillTokensPerSecond, 'tokens')}`],
    ['token', `${result.ms} ms, ${formatRate(result.tokensPerSecond, 'tokens')}`],
    ['memory read a token', formatBytes(bytes)],
    ['speed of reading', `${result.gigabytesPerSecond} GB/s`],
    ['memory of the machine', memory === null ? 'not measured; no C compiler found' : `${memory} GB/s`],
    [`share (${result.shareOf})`, formatPercent(result.share)],
    ['peak of the machine', peakText(result)],
    ['peak memory', formatBytes(result.peakRssMb * 2 ** 20)],
    machineRow(result.machine),
  ]);
}

interface TokenizerOptions extends Common {
  readonly vocabulary: number;
  readonly rounds: number;
}

async function tokenizerBench(options: TokenizerOptions): Promise<void> {
  const { benchTokenizer } = await import('../../evaluate/bench-tokenizer.js');
  const { vocabulary: vocabularySize, rounds } = options;
  const result = await benchTokenizer({ vocabularySize, rounds, onNote: noteOf(options) });
  print(result, options, () => [
    ['training', `${result.trainingMegabytesPerSecond} MB/s (${result.shape.merges} merges, ${result.ms} ms)`],
    ['encoding, first pass', `${result.coldMegabytesPerSecond} MB/s, ${formatRate(result.tokensPerSecond, 'tokens')}`],
    ['encoding, second pass', `${result.warmMegabytesPerSecond} MB/s`],
    ['@huggingface/tokenizers', `${result.peerMegabytesPerSecond} MB/s`],
    ['times as fast', formatNumber(result.timesPeer)],
    ['peak memory', formatBytes(result.peakRssMb * 2 ** 20)],
    machineRow(result.machine),
  ]);
}

interface QuantizedOptions extends Common {
  readonly text: string;
  readonly tokens: number;
  readonly threads: number;
  readonly device: 'cpu' | 'webgpu';
}

async function quantizedBench(place: string, options: QuantizedOptions): Promise<void> {
  const { benchQuantized } = await import('../../evaluate/bench-quantized.js');
  const { cpu, webgpu } = await import('../../runtime/device.js');
  const { tokens, threads } = options;
  const device = options.device === 'webgpu' ? webgpu() : cpu({ threads });
  const result = await benchQuantized({ place, text: readText(options.text), tokens, device, onNote: noteOf(options) });
  if (options.json === true) {
    writeRecord(result as unknown as Json);
    return;
  }
  const right = (title: string) => ({ title, align: 'right' as const });
  writeLine(
    textTable(
      ['weights', right('perplexity'), right('bits/byte'), right('memory'), right('tokens/s'), right('packed')],
      result.rows.map((row) => [
        row.bits === 32 ? 'float32' : `${row.bits} bits`,
        row.perplexity.toPrecision(4),
        row.bitsPerByte.toPrecision(4),
        formatBytes(row.weightBytes),
        formatNumber(row.tokensPerSecond),
        `${row.packedMatrices} matrices`,
      ]),
    ),
  );
  writeNote(`On ${formatCount(result.scoredTokens)} tokens, ${formatBytes(result.textBytes)} of text.`);
}
