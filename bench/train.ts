/** A training step of the benchmark GPT: `tsx bench/train.ts 4,256,4,128,16,4096 12 2`. Prints what `athanor bench train --json` does, and the profile with a fourth word. */
import { benchTrain } from '../src/evaluate/bench-train.js';

const [text = '4,256,4,128,16,4096', steps = '12', threads = '2', profile] = process.argv.slice(2);
const sizes = text.split(',').map(Number) as [number, number, number, number, number, number];
const [layers, width, heads, time, batch, vocabularySize] = sizes;
const { result, profile: rows } = await benchTrain({
  shape: { layers, width, heads, time, batch, vocabularySize },
  steps: Number(steps),
  threads: Number(threads),
  profile: profile !== undefined,
});
if (rows) console.error(rows);
console.log(JSON.stringify(result));
