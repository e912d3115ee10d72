/**
 * transformers.js on an exported folder: loading, reading a prompt, generating.
 *
 *     node bench/peers/transformers-js.mjs FOLDER DTYPE THREADS PROMPT TOKENS ROUNDS
 *
 * Prints one JSON object. Needs `npm run clients`.
 */
import path from 'node:path';

const [folder, dtype] = process.argv.slice(2);
const [threads, promptTokens, newTokens, rounds] = process.argv.slice(4).map(Number);
const { AutoModelForCausalLM, BaseStreamer, env, Tensor } = await import(
  '../../clients/node_modules/@huggingface/transformers/dist/transformers.node.mjs'
);
env.allowRemoteModels = false;
env.allowLocalModels = true;
env.localModelPath = path.dirname(path.resolve(folder));

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const begun = performance.now();
const model = await AutoModelForCausalLM.from_pretrained(path.basename(folder), {
  dtype,
  device: 'cpu',
  session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
});
const loadMs = performance.now() - begun;

class Clock extends BaseStreamer {
  times = [];
  put() {
    this.times.push(performance.now());
  }
  end() {}
}

const ids = BigInt64Array.from({ length: promptTokens }, (_, i) => BigInt((i * 7 + 1) % model.config.vocab_size));
const input_ids = new Tensor('int64', ids, [1, promptTokens]);
const attention_mask = new Tensor('int64', new BigInt64Array(promptTokens).fill(1n), [1, promptTokens]);
const [prefills, steps] = [[], []];
for (let round = 0; round <= rounds; round++) {
  const streamer = new Clock();
  const start = performance.now();
  await model.generate({
    input_ids,
    attention_mask,
    do_sample: false,
    max_new_tokens: newTokens,
    min_new_tokens: newTokens,
    streamer,
  });
  // The prompt itself is put first.
  const times = streamer.times.slice(1);
  if (round === 0) continue;
  prefills.push(times[0] - start);
  steps.push((times.at(-1) - times[0]) / (times.length - 1));
}
const ms = median(steps);
process.stdout.write(
  `${JSON.stringify({
    version: env.version,
    ms,
    tokensPerSecond: 1000 / ms,
    prefillMs: median(prefills),
    prefillTokensPerSecond: (1000 * promptTokens) / median(prefills),
    loadMs,
    peakRssMb: process.resourceUsage().maxRSS / 1024,
  })}\n`,
);
process.exit(0);
