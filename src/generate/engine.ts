import { array } from '../runtime/array.js';
import { cpu, type Device } from '../runtime/device.js';
import type { ArrayValue, HostArray } from '../tensor/variable.js';
import { InputError } from '../util/errors.js';
import { KeyValueCache } from './cache.js';
import type { DecoderModel } from './contract.js';
import { checkPrompt, type GeneratedToken, type Generation, type GenerationOptions } from './engine-options.js';
import { DecodeProgram, type DecodeStep } from './engine-program.js';
import { Sequence } from './engine-sequence.js';

export interface EngineOptions {
  readonly device?: Device;
  /** Positions that the cache first has room for; it doubles when they are used up. Default 256. */
  readonly capacity?: number;
  /** Most sequences that are computed at once; further prompts wait for a free row. Default 16. */
  readonly batch?: number;
  /** Write ONNX Runtime's profile to files with this prefix. */
  readonly profilePrefix?: string;
}

/** Prompts are read in parts of so many positions: the scores of one part take heads × part × capacity numbers. */
const PREFILL_POSITIONS = 512;

/**
 * Generates from a decoder model: ids in, ids out. Keys and values of what was read are kept in a cache, prompts are
 * read in parts, and only the last position's logits are computed. The weights are the model's own arrays, so training
 * and generation can take turns without a copy; train only while no generation is open.
 *
 * Calls on one engine wait for each other.
 */
export class GenerationEngine {
  private readonly model: DecoderModel;
  private readonly device: Device;
  private readonly capacity: number;
  private readonly batch: number;
  private readonly profilePrefix: string | undefined;
  private readonly cache: KeyValueCache;
  /** Inputs of a step by its number of rows, and their arrays, which each step fills again. */
  private readonly steps = new Map<number, DecodeStep>();
  private program: Promise<DecodeProgram> | undefined;
  /** The cache of the one row of a device with its own memory. */
  private resident: readonly ArrayValue[] | undefined;
  private queue: Promise<void> = Promise.resolve();

  /** @throws {InputError} if capacity or batch is not a positive whole number. */
  constructor(model: DecoderModel, options: EngineOptions = {}) {
    const { device = cpu(), capacity = 256, batch = 16, profilePrefix } = options;
    for (const [where, got] of Object.entries({ capacity, batch })) {
      if (Number.isInteger(got) && got > 0) continue;
      throw new InputError('not usable', { where, expected: 'a whole number above 0', got: `${got}` });
    }
    this.model = model;
    this.device = device;
    // Memory of a device cannot be grown or shared by rows from here, so there is one row of full length.
    const onCpu = device.kind === 'cpu';
    this.capacity = onCpu ? capacity : model.config.positions;
    this.batch = onCpu ? batch : 1;
    this.profilePrefix = profilePrefix;
    this.cache = new KeyValueCache(model);
  }

  /**
   * The tokens that follow a prompt, one at a time. Leaving the loop early frees the engine.
   * @throws {InputError} at once, if prompt or options are not usable.
   */
  stream(prompt: ArrayLike<number>, options: GenerationOptions = {}): AsyncGenerator<GeneratedToken, void, undefined> {
    const checked = checkPrompt(this.model.config, prompt, options.maxTokens, 'prompt');
    return this.streamSequence(new Sequence(checked, options), options);
  }

  /** The sequence that follows a prompt. */
  async generate(prompt: ArrayLike<number>, options: GenerationOptions = {}): Promise<Generation> {
    const [generation] = await this.generateBatch([prompt], options);
    return generation!;
  }

  /**
   * The sequences that follow many prompts of any lengths, in their order. Rows are computed together, and a row that is
   * done goes to the next prompt; beginnings that prompts share are read once. What a prompt gives does not depend on the
   * others, up to the rounding of sums in another order.
   * @throws {InputError} before anything runs, if a prompt or an option is not usable.
   */
  async generateBatch(
    prompts: readonly ArrayLike<number>[],
    options: GenerationOptions = {},
  ): Promise<readonly Generation[]> {
    const sequences = prompts.map((prompt, i) => {
      const where = prompts.length === 1 ? 'prompt' : `prompt ${i}`;
      return new Sequence(checkPrompt(this.model.config, prompt, options.maxTokens, where), options, i);
    });
    const leave = await this.enter(options);
    try {
      await this.runSequences(sequences, options.signal);
    } finally {
      leave();
    }
    return sequences.map(({ result }) => result);
  }

  /** Forgets what the cache holds. */
  forget(): void {
    this.cache.clear();
  }

  /** Bytes of the key-value cache. */
  get cacheBytes(): number {
    return this.cache.byteLength;
  }

  /** Frees the program. The engine must not be in use. */
  async release(): Promise<void> {
    const program = await this.program;
    this.program = undefined;
    await program?.release();
  }

  private async *streamSequence(
    sequence: Sequence,
    options: GenerationOptions,
  ): AsyncGenerator<GeneratedToken, void, undefined> {
    const leave = await this.enter(options);
    try {
      if (options.signal?.aborted) return;
      let logits = await this.prefill(0, sequence.ids);
      for (;;) {
        const token = sequence.draw(logits);
        yield token;
        if (token.finish !== undefined || options.signal?.aborted) return;
        logits = await this.step([sequence]);
      }
    } finally {
      leave();
    }
  }

  /** Waits until the engine is free. @returns what frees it again. */
  private async enter({ reuse = false }: GenerationOptions): Promise<() => void> {
    const before = this.queue;
    let leave!: () => void;
    const done = new Promise<void>((resolve) => {
      leave = resolve;
    });
    this.queue = before.then(() => done);
    await before;
    if (!reuse) this.cache.clear();
    return leave;
  }

  /** Runs sequences to their ends. The active ones are always the first rows. */
  private async runSequences(sequences: readonly Sequence[], signal: AbortSignal | undefined): Promise<void> {
    const waiting = [...sequences].reverse();
    const active: Sequence[] = [];
    const rows = Math.min(this.batch, sequences.length);
    const { vocabularySize } = this.model.config;
    /** Reads the next prompt into a row. @returns false if none was left that needs the row. */
    const fill = async (row: number): Promise<boolean> => {
      for (let next = waiting.pop(); next && !signal?.aborted; next = waiting.pop()) {
        const logits = await this.prefill(row, next.ids);
        if (!next.extend(logits)) continue;
        active[row] = next;
        return true;
      }
      return false;
    };
    while (active.length < rows && (await fill(active.length)));
    while (active.length > 0 && !signal?.aborted) {
      const logits = await this.step(active);
      const ended: number[] = [];
      active.forEach((sequence, row) => {
        if (!sequence.extend(logits.subarray(row * vocabularySize, (row + 1) * vocabularySize))) ended.push(row);
      });
      // From the last row on, so that the row which moves into a gap is one that goes on.
      for (const row of ended.reverse()) {
        if (await fill(row)) continue;
        const last = active.pop()!;
        const lastRow = active.length;
        if (row === lastRow) continue;
        this.cache.copy(lastRow, row, this.cache.length(lastRow));
        active[row] = last;
      }
    }
  }

  /** Reads a prompt into a row. @returns the logits after it, valid until the next step. */
  private async prefill(row: number, ids: readonly number[]): Promise<Float32Array> {
    this.cache.reserve(row + 1, ids.length, this.capacity);
    let start = this.cache.claim(row, ids);
    const { logits } = this.stepOf(1);
    while (start < ids.length) {
      const part = ids.slice(start, start + PREFILL_POSITIONS);
      const end = start + part.length;
      await this.run(row, {
        ids: array(Int32Array.from(part), [1, part.length]),
        lastPositions: array(Int32Array.of(end - 1)),
        total: array(Int32Array.of(end)),
        wanted: array(Int32Array.of(part.length - 1)),
        logits,
      });
      this.cache.append(row, part);
      start = end;
    }
    return logits.data as Float32Array;
  }

  /** Enters the newest token of each sequence, row by row. @returns logits `[rows, vocabulary]`. */
  private async step(sequences: readonly Sequence[]): Promise<Float32Array> {
    const { cache } = this;
    const inputs = this.stepOf(sequences.length);
    const [ids, lastPositions, total] = [inputs.ids.data, inputs.lastPositions.data, inputs.total.data];
    let longest = 0;
    for (let row = 0; row < sequences.length; row++) {
      ids[row] = sequences[row]!.ids.at(-1)!;
      lastPositions[row] = cache.length(row);
      longest = Math.max(longest, cache.length(row) + 1);
    }
    total[0] = longest;
    cache.reserve(sequences.length, longest, this.capacity);
    await this.run(0, inputs);
    for (let row = 0; row < sequences.length; row++) cache.append(row, [ids[row] as number]);
    return inputs.logits.data as Float32Array;
  }

  private async run(firstRow: number, step: DecodeStep): Promise<void> {
    this.program ??= DecodeProgram.open(this.model, this.device, this.profilePrefix);
    const program = await this.program;
    const view = this.cache.view(firstRow, step.ids.shape[0]!);
    if (this.device.kind === 'cpu') await program.run(step, view);
    else this.resident = await program.run(step, this.resident ?? view);
  }

  private stepOf(rows: number): DecodeStep {
    let step = this.steps.get(rows);
    if (!step) {
      const { vocabularySize } = this.model.config;
      const ints = (shape: number[]): HostArray => array(new Int32Array(shape.reduce((a, b) => a * b)), shape);
      step = {
        ids: ints([rows, 1]),
        lastPositions: ints([rows]),
        total: ints([1]),
        wanted: array(Int32Array.from({ length: rows }, (_, row) => row)),
        logits: array(new Float32Array(rows * vocabularySize), [rows, vocabularySize]),
      };
      this.steps.set(rows, step);
    }
    return step;
  }
}
