import { existsSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import path from 'node:path';
import type { TokenStore } from '../data/token-store.js';
import { measureMatmul } from '../evaluate/bench-peak.js';
import type { ReportCard } from '../evaluate/report-card.js';
import { TOOLS_FILE, toolsJson } from '../llm/model-tools.js';
import type { Decoder } from '../models/architecture.js';
import { generationOf, saveModel } from '../models/save.js';
import { cpu } from '../runtime/device.js';
import { DEFAULT_CHAT_TEMPLATE } from '../tokenizer/chat-template.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { measureTraining } from '../train/plan.js';
import { openRun, type RunFolder } from '../train/run-folder.js';
import { WriteError, writeFileAtomic } from '../util/files.js';
import { readJsonObject } from '../util/json.js';
import { formatDuration } from '../util/units.js';
import { dictionaryMaterial } from './dictionary-material.js';
import { showcase } from './examination.js';
import type { Material } from './material.js';
import { ownMaterial } from './own-material.js';
import { type ForgePlan, makePlan, stageSettings } from './plan.js';
import { pretrainStage } from './pretrain-stage.js';
import { llamaConfig, type ModelShape } from './shape.js';
import { ForgeStateFile } from './state.js';
import { makeTokenizer, packTexts } from './tokenizer-stage.js';
import { tuneStage } from './tune-stage.js';
import { type ForgeOptions, localModel, reservedSeconds, type Workshop } from './workshop.js';

/** A forge that was interrupted returns no card. */
export type ForgeResult = { readonly card: ReportCard; readonly model: string } | undefined;

/**
 * From raw text to a chat model within a time: measure the machine, plan, train a tokenizer, pretrain, tune on chats,
 * examine, report. Each finished stage is kept in the folder; the same call goes on where the last one stopped.
 */
export async function forge(options: ForgeOptions): Promise<ForgeResult> {
  const { minutes, data, out, seed, say, signal } = options;
  const recipe = { minutes, ...(data === undefined ? {} : { data }) };
  const run = openRun(out, { command: 'forge', recipe, seed });
  let ended: 'finished' | 'stopped' | 'failed' = 'failed';
  let clock: NodeJS.Timeout | undefined;
  const state = new ForgeStateFile(run.path('forge.json'));
  try {
    const known = finishedCard(run, state);
    if (known) {
      ended = 'finished';
      say(`The forge in ${out} is finished.`);
      return { card: known, model: run.path('model') };
    }
    const began = performance.now() / 1000;
    const { secondsBefore } = state.state;
    const elapsed = (): number => secondsBefore + performance.now() / 1000 - began;
    const device = cpu(options.threads === undefined ? {} : { threads: options.threads });
    const threads = device.kind === 'cpu' ? device.threads : 1;
    say(data === undefined ? 'Reading WordNet …' : `Reading ${data} …`);
    const material = await readMaterial(options);
    const workshop: Workshop = { options, run, state, device, material, threads, elapsed };
    const stop = (): undefined => {
      noteTime(state, elapsed());
      ended = 'stopped';
      return undefined;
    };

    const tokenizer = await makeTokenizer(workshop);
    clock = setInterval(() => noteTime(state, elapsed()), CLOCK_MS);
    const stores = await packTexts(workshop, tokenizer);
    const plan = await decidePlan(workshop, stores.training, tokenizer);
    if (signal?.aborted) return stop();
    const base = await pretrainStage(workshop, plan, tokenizer, stores);
    if (!base || signal?.aborted) return stop();
    const tuned = await tuneStage(workshop, plan, tokenizer, stores, base);
    if (!tuned || signal?.aborted) return stop();
    const card = await finish(workshop, plan, tokenizer, tuned);
    noteTime(state, elapsed());
    ended = 'finished';
    return { card, model: run.path('model') };
  } finally {
    clearInterval(clock);
    run.close(ended);
    if (ended === 'failed' && !state.state.tokenizer) run.forget();
  }
}

/** How often the time spent is noted. */
const CLOCK_MS = 5000;

/** Notes the time spent, so that a forge that is killed knows of it. A full disk is for the stages to report. */
function noteTime(state: ForgeStateFile, secondsBefore: number): void {
  try {
    state.update({ secondsBefore });
  } catch (error) {
    if (!(error instanceof WriteError)) throw error;
  }
}

/** The card of a forge that came to its end before. */
function finishedCard(run: RunFolder, { state }: ForgeStateFile): ReportCard | undefined {
  const file = run.path('report.json');
  const whole = state.tune !== undefined && existsSync(file) && existsSync(run.path('model', 'config.json'));
  return whole ? (readJsonObject(file) as unknown as ReportCard) : undefined;
}

function readMaterial({ data, seed, minutes, say }: ForgeOptions): Promise<Material> {
  if (data !== undefined) return ownMaterial({ source: data, seed, minutes, onProblem: say });
  // A short run sees a part of the documents and answers fewer questions, so that the fixed costs fit as well.
  const share = Math.min(1, minutes / 4);
  return dictionaryMaterial({
    seed,
    share,
    ...(minutes < 2 ? { questions: Math.max(20, Math.round(250 * minutes)) } : {}),
  });
}

/** The shape whose training step is timed; the plan assumes that others use the processor as well. */
const PROBE = { layers: 4, width: 128, heads: 4, hidden: 352 } as const;

async function decidePlan(workshop: Workshop, training: TokenStore, tokenizer: Tokenizer): Promise<ForgePlan> {
  const { options, state, threads, elapsed } = workshop;
  const known = state.state.plan;
  if (known) {
    const { pretrain, tune } = known;
    const asked = options.threads === undefined ? {} : { threads };
    return { ...known, pretrain: { ...pretrain, ...asked }, tune: { ...tune, ...asked } };
  }
  const total = options.minutes * 60;
  const trainingSeconds = Math.max(
    total - elapsed() - reservedSeconds(total) - Math.min(20, total * 0.05),
    total * 0.2,
  );
  const peakFlops = (await measureMatmul(threads)) * 1e9;
  const speedOf = async (count: number, probe: Omit<ModelShape, 'vocabularySize'>): Promise<number> => {
    const train = stageSettings(count);
    const model = llamaConfig({ ...probe, vocabularySize: tokenizer.vocabularySize }, train.columns);
    return (await measureTraining({ model, train }, 0.7)).flopsPerSecond;
  };
  const inputs = {
    trainingSeconds,
    peakFlops,
    corpusTokens: training.ids.length,
    vocabularySize: tokenizer.vocabularySize,
    memoryBytes: totalmem(),
  };
  let plan = makePlan({ ...inputs, trainingFlops: await speedOf(threads, PROBE), threads });
  if (threads > 1 && options.threads === undefined) {
    // A small model's operations are too short to share: its threads wait for each other more than they compute.
    const [alone, together] = [await speedOf(1, plan.shape), await speedOf(threads, plan.shape)];
    const best = alone > together ? { trainingFlops: alone, threads: 1 } : { trainingFlops: together, threads };
    plan = makePlan({ ...inputs, ...best });
  }
  state.update({ plan });
  options.say('Plan');
  for (const reason of plan.reasons) options.say(`  ${reason}`);
  return plan;
}

/** How a model of free text speaks unless asked otherwise. */
const CREATIVE = { temperature: 0.8, topP: 0.95, repetitionPenalty: 1.1 } as const;

async function finish(
  { options, run, state, device, material, elapsed, threads }: Workshop,
  plan: ForgePlan,
  tokenizer: Tokenizer,
  model: Decoder,
): Promise<ReportCard> {
  const folder = run.path('model');
  // A dictionary copies and counts, so it is not asked to be inventive; a poet is.
  const sampling = material.exams.length > 0 ? { temperature: 0 } : CREATIVE;
  const generation = { ...generationOf(tokenizer), ...sampling };
  await saveModel(folder, { model, tokenizer, chatTemplate: DEFAULT_CHAT_TEMPLATE, generation });
  if (material.tools.length > 0) {
    writeFileAtomic(path.join(folder, TOOLS_FILE), toolsJson(material.tools.map(({ name }) => name)));
  }
  const local = localModel(model, tokenizer, device);
  const samples = await showcase(local, material, sampling, options.seed);
  await local.release();
  const { tokenizer: first, pretrain: second, tune: third } = state.state;
  const processor = cpus()[0]?.model.trim() ?? 'unknown';
  const card: ReportCard = {
    title: `Forged: ${material.name}`,
    machine: {
      processor,
      threads: plan.pretrain.threads ?? threads,
      node: process.versions.node,
      'peak GFLOP/s (matrix product)': Math.round(plan.peakFlops / 1e9),
    },
    recipe: 'forge',
    settings: {
      minutes: options.minutes,
      weights: model.size,
      layers: plan.shape.layers,
      width: plan.shape.width,
      vocabulary: tokenizer.vocabularySize,
    },
    seed: options.seed,
    finishedAt: new Date().toISOString(),
    stages: [first, second, third].flatMap((stage) => (stage ? [stage] : [])),
    samples,
    notes: [
      material.description,
      `All of it took ${formatDuration(elapsed())} of the ${formatDuration(options.minutes * 60)} given.`,
      `Talk to it: athanor chat ${folder}`,
    ],
  };
  return card;
}
