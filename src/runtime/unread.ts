import type * as ort from 'onnxruntime-node';
import type { OnnxModel } from '../onnx/model.js';
import { messageOf } from '../util/errors.js';

/**
 * Runs whose outputs all go into arrays that the caller holds.
 *
 * ONNX Runtime for Node (1.30) writes into them, and then copies every output once more into a new array for its
 * result: two thirds of a millisecond a megabyte, at each step, of every weight, moment and cache. It stops at the
 * first output that is no tensor, with an error, when all is computed. So an empty sequence is put before the other
 * outputs. A version that returned it instead would do no harm.
 */
const GUARD = 'unread';
const STOPPED = 'Non tensor type is temporarily not supported.';

/** The model with the output that keeps the others from being copied. */
export function withUnreadOutputs(model: OnnxModel): OnnxModel {
  const { graph } = model;
  return {
    ...model,
    graph: {
      ...graph,
      nodes: [{ op: 'SequenceEmpty', name: GUARD, inputs: [], outputs: [GUARD] }, ...graph.nodes],
      outputs: [{ name: GUARD, type: 'float32', dims: [], sequence: true }, ...graph.outputs],
    },
  };
}

/** Runs a model made by {@link withUnreadOutputs}. @param into an array for every output. */
export async function runInto(
  session: ort.InferenceSession,
  feeds: ort.InferenceSession.FeedsType,
  into: Record<string, ort.Tensor>,
): Promise<void> {
  try {
    await session.run(feeds, { [GUARD]: null, ...into });
  } catch (error) {
    if (messageOf(error) !== STOPPED) throw error;
  }
}
