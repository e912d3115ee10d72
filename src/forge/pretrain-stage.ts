import type { Decoder } from '../models/architecture.js';
import { loadModel } from '../models/load.js';
import { DEFAULT_CHAT_TEMPLATE } from '../tokenizer/chat-template.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { scoredPart } from '../train/held-out.js';
import { pretrain } from '../train/pretrain.js';
import { EVALUATION_TOKENS } from '../train/recipe.js';
import { openRun } from '../train/run-folder.js';
import { Progress } from '../util/progress.js';
import { formatCount } from '../util/units.js';
import { ngramBaselines } from './baselines.js';
import type { ForgePlan } from './plan.js';
import { llamaConfig } from './shape.js';
import { endAfter, lossFigure, type Stores, stageCost, stageStart, type Workshop } from './workshop.js';

export async function pretrainStage(
  workshop: Workshop,
  plan: ForgePlan,
  tokenizer: Tokenizer,
  { training, heldOut }: Stores,
): Promise<Decoder | undefined> {
  const { options, run, state, elapsed } = workshop;
  const folder = run.path('pretrain');
  if (state.state.pretrain) return (await loadModel(folder)).model;
  const start = stageStart(workshop, 'pretraining');
  const part = scoredPart(heldOut, tokenizer, EVALUATION_TOKENS);
  const baselines = ngramBaselines(training, part, tokenizer.vocabularySize, (order) =>
    options.say(`Counting ${order}-grams, for comparison …`),
  );
  const stage = openRun(folder, {
    command: 'pretrain',
    recipe: JSON.parse(JSON.stringify(plan.pretrain)),
    seed: options.seed,
    mayDiffer: ['threads'],
  });
  const progress = new Progress({
    ...options.progress,
    label: 'pretraining',
    total: plan.pretrain.steps,
    unit: 'steps',
  });
  let closed: 'finished' | 'stopped' | 'failed' = 'failed';
  try {
    const config = { model: llamaConfig(plan.shape, plan.positions), train: plan.pretrain, seed: options.seed };
    const { model, result, heldOutBitsPerByte } = await pretrain(config, {
      run: stage,
      tokenizer,
      training,
      heldOut,
      chatTemplate: DEFAULT_CHAT_TEMPLATE,
      progress,
      signal: options.signal,
      revise: endAfter(plan.pretrainSeconds),
    });
    closed = result.finished ? 'finished' : 'stopped';
    if (!result.finished) return undefined;
    progress.finish({ 'bits/byte': heldOutBitsPerByte.after.toFixed(3) });
    state.update({
      pretrain: {
        name: 'pretraining',
        summary: `${formatCount(model.size)} weights read ${formatCount(result.targets)} tokens in ${result.step.toLocaleString('en-US')} steps.`,
        cost: stageCost(plan, plan.pretrain, result, elapsed() - start),
        metrics: [
          {
            name: 'bits per byte, held-out text',
            unit: 'bits/byte',
            ...heldOutBitsPerByte,
            baseline: baselines,
            higherIsBetter: false,
          },
        ],
        figures: [lossFigure(stage, 'pretraining-loss', 'Pretraining')],
      },
    });
    return model;
  } finally {
    stage.close(closed);
  }
}
