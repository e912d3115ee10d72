import { existsSync } from 'node:fs';
import { packChats } from '../data/chat-batches.js';
import type { Llama } from '../models/llama.js';
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
  endAfter,
  localModel,
  lossFigure,
  reservedSeconds,
  type Stores,
  stageCost,
  type Workshop,
} from './workshop.js';

/** Rows of raw text in each batch of chats: without them the language is forgotten for the sake of the answers. */
const REPLAY_ROWS = 1;

export async function tuneStage(
  workshop: Workshop,
  plan: ForgePlan,
  tokenizer: Tokenizer,
  stores: Stores,
  model: Llama,
): Promise<Llama | undefined> {
  const { options, run, state, material, elapsed } = workshop;
  const folder = run.path('tune');
  if (state.state.tune) return (await loadModel(folder)).model;
  const start = elapsed();
  const meter = bitsPerByteMeter(model, stores.heldOut, tokenizer, plan.pretrain);
  const textBefore = await meter.measure();
  const before = existsSync(run.path('tune', 'checkpoints'))
    ? []
    : await examineModel(workshop, tokenizer, model, 'exam before tuning', 64);
  const { rows, columns } = plan.tune;
  // A chat fills about half a row; the same chats come again where the time allows for more.
  const count = Math.min(Math.max(plan.tune.steps * rows * 2, 500), 80_000);
  const packing = { columns, tooLong: 'truncate' } as const;
  options.say(`Preparing ${formatCount(count)} chats …`);
  const chats = await packChats(material.chats(count), tokenizer, DEFAULT_CHAT_TEMPLATE, packing);
  const heldOutChats =
    material.heldOutChats.length > 0
      ? await packChats(material.heldOutChats, tokenizer, DEFAULT_CHAT_TEMPLATE, packing)
      : undefined;
  const total = options.minutes * 60;
  const seconds = state.state.plan!.tuneSeconds;
  const left = Math.max(total - elapsed() - reservedSeconds(total), total * 0.05);
  const tuneSeconds = existsSync(run.path('tune', 'checkpoints')) ? seconds : left;
  state.update({ plan: { ...plan, tuneSeconds } });
  const steps = Math.max(20, Math.round((plan.tune.steps * tuneSeconds) / plan.tuneSeconds));
  const stage = openRun(folder, {
    command: 'sft',
    recipe: JSON.parse(JSON.stringify(plan.tune)),
    seed: options.seed,
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
        replay: { store: stores.training, rows: REPLAY_ROWS },
        progress,
        signal: options.signal,
        revise: endAfter(tuneSeconds),
      },
    );
    closed = result.finished ? 'finished' : 'stopped';
    if (!result.finished) return undefined;
    progress.finish({ loss: result.loss.toFixed(3) });
    const after = await examineModel(workshop, tokenizer, model, 'exam');
    state.update({
      tune: {
        name: 'instruction tuning',
        summary: `${formatCount(result.targets)} answer tokens of ${formatCount(count)} chats in ${result.step.toLocaleString('en-US')} steps.`,
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
      secondsBefore: elapsed(),
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
  model: Llama,
  label: string,
  questions?: number,
): Promise<ExamResult[]> {
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
