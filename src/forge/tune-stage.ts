import { NoChatError, packChats } from '../data/chat-batches.js';
import type { Decoder } from '../models/architecture.js';
import { loadModel } from '../models/load.js';
import { DEFAULT_CHAT_TEMPLATE } from '../tokenizer/chat-template.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { bitsPerByteMeter } from '../train/held-out.js';
import { openRun } from '../train/run-folder.js';
import { sft } from '../train/sft.js';
import { Progress } from '../util/progress.js';
import { formatCount } from '../util/units.js';
import { type ExamResult, examine, examMetrics } from './examination.js';
import type { ForgePlan } from './plan.js';
import {
  endAt,
  localModel,
  lossFigure,
  reservedSeconds,
  type Stores,
  stageCost,
  stageStart,
  type Workshop,
} from './workshop.js';

/** Rows of raw text in each batch of chats: without them the language is forgotten for the sake of the answers. */
const REPLAY_ROWS = 1;
/** Every token of a text is a target, few of a chat are: at full weight the text would be half of the loss. */
const REPLAY_WEIGHT = 0.25;
/** A model that was never tuned answers next to nothing: a few questions of each exam show it. */
const QUESTIONS_BEFORE = 64;

export async function tuneStage(
  workshop: Workshop,
  plan: ForgePlan,
  tokenizer: Tokenizer,
  stores: Stores,
  model: Decoder,
): Promise<Decoder | undefined> {
  const { options, run, state, material, elapsed } = workshop;
  const folder = run.path('tune');
  if (state.state.tune) return (await loadModel(folder)).model;
  const start = stageStart(workshop, 'instruction tuning');
  const meter = bitsPerByteMeter(model, stores.heldOut, tokenizer, plan.pretrain);
  const textBefore = await meter.measure();
  const before =
    state.state.examBefore ?? (await examineModel(workshop, tokenizer, model, 'exam before tuning', QUESTIONS_BEFORE));
  if (!before) return undefined;
  state.update({ examBefore: before });
  const { rows, columns } = plan.tune;
  // A chat fills about half a row; the same chats come again where the time allows for more.
  const count = Math.min(Math.max(plan.tune.steps * rows * 2, 500), 80_000);
  const packing = { columns, tooLong: 'truncate' } as const;
  options.say(`Preparing ${formatCount(count)} chats …`);
  const chats = await packChats(material.chats(count), tokenizer, DEFAULT_CHAT_TEMPLATE, packing);
  const { skipped, truncated } = chats;
  if (skipped + truncated > 0) {
    options.say(
      `Longer than ${columns} tokens: ${formatCount(truncated)} chats are cut off, ${formatCount(skipped)} left out.`,
    );
  }
  const heldOut = material.heldOutChats;
  // Without a held-out answer inside the context there is nothing to measure, and all the more to learn.
  const heldOutChats = await packChats(heldOut, tokenizer, DEFAULT_CHAT_TEMPLATE, packing).catch((error: unknown) => {
    if (error instanceof NoChatError) return undefined;
    throw error;
  });
  const total = options.minutes * 60;
  const deadline = Math.max(total - reservedSeconds(total), elapsed() + total * 0.05);
  const steps = Math.max(20, Math.round((plan.tune.steps * (deadline - elapsed())) / plan.tuneSeconds));
  const stage = openRun(folder, {
    command: 'sft',
    recipe: JSON.parse(JSON.stringify(plan.tune)),
    seed: options.seed,
    mayDiffer: ['threads'],
  });
  const progress = new Progress({ ...options.progress, label: 'instruction tuning', total: steps, unit: 'steps' });
  let closed: 'finished' | 'stopped' | 'failed' = 'failed';
  try {
    const { result, heldOutLoss } = await sft(
      { train: { ...plan.tune, steps }, seed: options.seed },
      {
        run: stage,
        model,
        tokenizer,
        template: DEFAULT_CHAT_TEMPLATE,
        chats,
        heldOutChats,
        replay: { store: stores.training, rows: REPLAY_ROWS, weight: REPLAY_WEIGHT },
        progress,
        signal: options.signal,
        revise: endAt(deadline, elapsed),
      },
    );
    closed = result.finished ? 'finished' : 'stopped';
    if (!result.finished) return undefined;
    progress.finish({ loss: result.loss.toFixed(3) });
    const after = await examineModel(workshop, tokenizer, model, 'exam');
    if (!after) return undefined;
    state.update({
      tune: {
        name: 'instruction tuning',
        summary: `${formatCount(result.targets)} target tokens, of the answers in ${formatCount(chats.offsets.length - 1)} chats and of text read again, in ${result.step.toLocaleString('en-US')} steps.`,
        cost: stageCost(plan, plan.tune, result, elapsed() - start),
        metrics: [
          ...examMetrics(before, after),
          ...(heldOutLoss
            ? [{ name: 'loss of held-out answers', unit: 'nats/token', ...heldOutLoss, higherIsBetter: false }]
            : []),
          {
            name: 'bits per byte, held-out text',
            unit: 'bits/byte',
            before: textBefore,
            after: await meter.measure(),
            higherIsBetter: false,
          },
        ],
        figures: [lossFigure(stage, 'tuning-loss', 'Instruction tuning')],
      },
    });
    return model;
  } finally {
    await meter.release();
    stage.close(closed);
  }
}

async function examineModel(
  { options, device, material }: Workshop,
  tokenizer: Tokenizer,
  model: Decoder,
  label: string,
  questions?: number,
): Promise<ExamResult[] | undefined> {
  if (material.exams.length === 0) return [];
  const local = localModel(model, tokenizer, device);
  const progress = new Progress({ ...options.progress, label, unit: 'questions' });
  try {
    return await examine(local, material, {
      ...(questions === undefined ? {} : { questions }),
      signal: options.signal,
      onProgress: (done, total) => progress.update(done, { of: total }),
    });
  } finally {
    progress.finish();
    await local.release();
  }
}
