import path from 'node:path';
import type { CheckpointContent } from '../models/checkpoint.js';
import { writeCheckpoint } from '../models/checkpoint.js';
import {
  checkpointFolder,
  latestValidCheckpoint,
  pruneCheckpoints,
  removeLeftovers,
} from '../models/checkpoint-list.js';
import { SafetensorsFile } from '../models/safetensors.js';
import { isGpuArray } from '../runtime/array.js';
import { moveToHost } from '../runtime/gpu.js';
import type { HostArray, Variable } from '../tensor/variable.js';
import { CorruptFileError } from '../util/errors.js';
import { type Json, readJsonObject } from '../util/json.js';

const TRAINER_FILE = 'trainer.json';
const STATE_FILE = 'optimizer.safetensors';

/** Everything beside the model that a run needs to go on as if it had never stopped. */
export interface TrainerState {
  /** Optimizer steps taken. */
  readonly step: number;
  /** Steps that the run is planned to take; it may be revised on the way. */
  readonly steps: number;
  /** Seconds spent in training, over all sessions. */
  readonly seconds: number;
  /** Targets that were learned from. */
  readonly targets: number;
  /** Position of the data, as its source gave it. */
  readonly batches: Json;
  /** Loss of the first step, which divergence is measured against. */
  readonly firstLoss?: number;
  /** Running mean of the loss. */
  readonly meanLoss?: number;
}

/** The value in memory, wherever it lives. */
export async function hostValue(variable: Variable): Promise<HostArray> {
  const { value } = variable;
  return isGpuArray(value) ? moveToHost(value) : (value as HostArray);
}

/** Saves model, optimizer and position under `checkpoints/<step>`, then removes older checkpoints than the last `keep`. */
export async function saveTraining(
  runFolder: string,
  state: TrainerState,
  optimizerState: readonly Variable[],
  model: CheckpointContent,
  keep: number,
): Promise<string> {
  const tensors = new Map<string, { dtype: 'F32'; shape: readonly number[]; data: Float32Array }>();
  for (const variable of optimizerState) {
    const { shape, data } = await hostValue(variable);
    tensors.set(variable.name, { dtype: 'F32', shape, data: data as Float32Array });
  }
  const folder = checkpointFolder(runFolder, state.step);
  await writeCheckpoint(folder, {
    files: { ...model.files, [TRAINER_FILE]: `${JSON.stringify(state, null, 2)}\n` },
    tensors: { ...model.tensors, [STATE_FILE]: tensors },
  });
  pruneCheckpoints(runFolder, keep);
  return folder;
}

/** The newest checkpoint that is whole, with damaged newer ones reported. */
export function findTraining(
  runFolder: string,
  report: (text: string) => void,
): { readonly folder: string; readonly state: TrainerState } | undefined {
  removeLeftovers(runFolder);
  const { checkpoint, damaged } = latestValidCheckpoint(runFolder);
  for (const { folder, error } of damaged)
    report(`The checkpoint ${folder} is damaged and passed over: ${error.message}`);
  if (!checkpoint) return undefined;
  return { folder: checkpoint.folder, state: readJsonObject(path.join(checkpoint.folder, TRAINER_FILE)) as never };
}

/** Reads the optimizer's state back. @throws {CorruptFileError} if it is another optimizer's or another model's. */
export function restoreOptimizer(folder: string, state: readonly Variable[]): void {
  const file = SafetensorsFile.open(path.join(folder, STATE_FILE));
  try {
    for (const variable of state) {
      const shape = file.entries.get(variable.name)?.shape;
      if (shape?.join() !== variable.shape.join()) {
        throw new CorruptFileError('the optimizer state does not fit this run', {
          where: path.join(folder, STATE_FILE),
          expected: `${variable.name} [${variable.shape.join(', ')}]`,
          got: shape === undefined ? 'no such tensor' : `[${shape.join(', ')}]`,
        });
      }
      const data = file.readFloat32(variable.name);
      variable.value = { dtype: 'float32', shape: variable.shape, data } as never;
    }
  } finally {
    file.close();
  }
}
