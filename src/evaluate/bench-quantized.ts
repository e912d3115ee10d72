import { GenerationEngine } from '../generate/engine.js';
import { TokenScorer } from '../llm/scoring.js';
import { loadModel } from '../models/load.js';
import { quantizeModel, type WeightBits } from '../models/quantize.js';
import type { Device } from '../runtime/device.js';
import { InputError } from '../util/errors.js';
import { type Machine, median, millisecondsOf, rounded, thisMachine } from './bench-machine.js';

export interface QuantizedBenchOptions {
  /** As `loadModel` takes it. */
  readonly place: string;
  /** What the model is measured on. */
  readonly text: string;
  /** Most tokens of the text that are scored. */
  readonly tokens: number;
  readonly device: Device;
  readonly onNote?: (text: string) => void;
}

/** One precision of the weights. */
export interface QuantizedBenchRow {
  readonly bits: 32 | WeightBits;
  /** Bytes of all weights in memory. */
  readonly weightBytes: number;
  readonly nats: number;
  /** `exp(nats per token)`. */
  readonly perplexity: number;
  readonly bitsPerByte: number;
  /** Greedy, one sequence, after a short prompt. */
  readonly tokensPerSecond: number;
  readonly packedMatrices: number;
  readonly keptMatrices: number;
}

export interface QuantizedBench {
  readonly bench: 'quantized';
  readonly scoredTokens: number;
  readonly textBytes: number;
  readonly device: string;
  readonly rows: readonly QuantizedBenchRow[];
  readonly machine: Machine;
}

/** Longest stretch of text that is scored at once; the next one begins without memory of it. */
const STRETCH = 512;
const SPEED_TOKENS = 48;
const SPEED_PROMPT = 16;

/**
 * What packing the weights into 8 and 4 bits costs and gives: perplexity, `exp(−1/N · Σ ln p(tokenₜ | tokens₍<t₎))`, on the
 * same text in the same stretches, memory, and speed of generation.
 *
 * @throws {InputError} if the text has fewer than two tokens.
 */
export async function benchQuantized(options: QuantizedBenchOptions): Promise<QuantizedBench> {
  const { place, text, tokens, device, onNote = () => {} } = options;
  const rows: QuantizedBenchRow[] = [];
  let [scoredTokens, textBytes] = [0, 0];
  for (const bits of [32, 8, 4] as const) {
    onNote(`Measuring ${bits} bits …`);
    // Loaded anew: packing lets the numbers go.
    const { model, tokenizer } = await loadModel(place);
    const { packed, kept } = bits === 32 ? { packed: 0, kept: [] } : quantizeModel(model, bits);
    const weightBytes = [...new Set(model.parameters())].reduce(
      (total, { quantized, size }) => total + (quantized?.byteLength ?? 4 * size),
      0,
    );
    const ids = Array.from(tokenizer.encode(text)).slice(0, tokens);
    if (ids.length < 2)
      throw new InputError('too little text to measure on', {
        where: 'text',
        expected: 'at least 2 tokens',
        got: `${ids.length}`,
      });
    const length = Math.min(STRETCH, model.config.positions);
    const opening = tokenizer.bosId ?? tokenizer.eosId;
    const scorer = new TokenScorer(model, device);
    let nats = 0;
    [scoredTokens, textBytes] = [0, 0];
    for (let start = 0; start < ids.length; start += length) {
      const stretch = ids.slice(start, start + length);
      const given = opening === undefined ? stretch : [opening, ...stretch];
      if (given.length < 2) continue;
      for (const score of await scorer.score(given)) nats -= score;
      scoredTokens += given.length - 1;
      const counted = opening === undefined ? stretch.slice(1) : stretch;
      for (const id of counted) textBytes += tokenizer.tokenBytes(id).length;
    }
    await scorer.release();
    const engine = new GenerationEngine(model, { device, batch: 1 });
    const prompt = ids.slice(0, Math.min(SPEED_PROMPT, model.config.positions - SPEED_TOKENS));
    const sampling = { temperature: 0 };
    const timeOf = (maxTokens: number): Promise<number> =>
      millisecondsOf(() => engine.generate(prompt, { maxTokens, sampling }));
    await timeOf(2);
    const times: number[] = [];
    for (let round = 0; round < 3; round++)
      times.push(((await timeOf(SPEED_TOKENS)) - (await timeOf(1))) / (SPEED_TOKENS - 1));
    await engine.release();
    rows.push({
      bits,
      weightBytes,
      nats: rounded(nats),
      perplexity: rounded(Math.exp(nats / scoredTokens)),
      bitsPerByte: rounded(nats / Math.LN2 / textBytes),
      tokensPerSecond: rounded(1000 / median(times)),
      packedMatrices: packed,
      keptMatrices: kept.length,
    });
  }
  return { bench: 'quantized', scoredTokens, textBytes, device: device.kind, rows, machine: thisMachine() };
}
