import type { CheckpointContent } from './checkpoint.js';
import type { SafetensorsTensor } from './safetensors.js';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/**
 * The files of a model with its weights in several files of at most `shardBytes` (a tensor that is larger has one of its
 * own), in the order of the tensors, and the index that says which tensor is where. A model that fits into one file keeps
 * it.
 */
export function sharded({ files, tensors }: CheckpointContent, shardBytes: number): CheckpointContent {
  const { [SINGLE]: weights, ...others } = tensors;
  if (weights === undefined) return { files, tensors };
  const shards: Map<string, SafetensorsTensor>[] = [];
  let room = 0;
  let total = 0;
  for (const [name, tensor] of weights) {
    const { byteLength } = tensor.data;
    if (shards.length === 0 || byteLength > room) {
      shards.push(new Map());
      room = shardBytes;
    }
    shards.at(-1)!.set(name, tensor);
    room -= byteLength;
    total += byteLength;
  }
  if (shards.length <= 1) return { files, tensors };
  const count = String(shards.length).padStart(5, '0');
  const named = shards.map(
    (shard, i) => [`model-${String(i + 1).padStart(5, '0')}-of-${count}.safetensors`, shard] as const,
  );
  const places = named.flatMap(([file, shard]) => [...shard.keys()].map((name) => [name, file] as const));
  const index = {
    metadata: { total_size: total },
    weight_map: Object.fromEntries(places.toSorted(([a], [b]) => (a < b ? -1 : 1))),
  };
  return {
    files: { ...files, [INDEX]: `${JSON.stringify(index, null, 2)}\n` },
    tensors: { ...others, ...Object.fromEntries(named) },
  };
}
