/**
 * llama.cpp (node-llama-cpp) on a GGUF file: loading, reading a prompt, generating.
 *
 *     node bench/peers/llama-cpp.mjs FILE THREADS PROMPT TOKENS ROUNDS
 *
 * Prints one JSON object. Needs `npm run clients`.
 */
const [file, threads, promptTokens, newTokens, rounds] = process.argv
  .slice(2)
  .map((arg, i) => (i === 0 ? arg : Number(arg)));
const { getLlama, LlamaLogLevel } = await import('../../clients/node_modules/node-llama-cpp/dist/index.js');
const llama = await getLlama({
  gpu: false,
  build: 'never',
  maxThreads: threads,
  logLevel: LlamaLogLevel.disabled,
  logger: () => {},
});
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const begun = performance.now();
const model = await llama.loadModel({ modelPath: file });
const loadMs = performance.now() - begun;
const context = await model.createContext({
  contextSize: promptTokens + newTokens + 8,
  batchSize: promptTokens,
  sequences: 1,
  threads: { ideal: threads, min: threads },
  batching: { dispatchSchedule: (dispatch) => dispatch() },
});
const sequence = context.getSequence();
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
const prompt = Array.from({ length: promptTokens }, (_, i) => (i * 7 + 1) % vocabulary);
const [prefills, steps] = [[], []];
for (let round = 0; round <= rounds; round++) {
  await sequence.clearHistory();
  const times = [performance.now()];
  for await (const _ of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    times.push(performance.now());
    if (times.length > newTokens) break;
  }
  // The first round warms up.
  if (round === 0) continue;
  prefills.push(times[1] - times[0]);
  steps.push((times.at(-1) - times[1]) / (times.length - 2));
}
const ms = median(steps);
const { version } = JSON.parse(
  (await import('node:fs')).readFileSync(
    new URL('../../clients/node_modules/node-llama-cpp/package.json', import.meta.url),
  ),
);
process.stdout.write(
  `${JSON.stringify({
    version,
    ms,
    tokensPerSecond: 1000 / ms,
    prefillMs: median(prefills),
    prefillTokensPerSecond: (1000 * promptTokens) / median(prefills),
    loadMs,
    peakRssMb: process.resourceUsage().maxRSS / 1024,
  })}\n`,
);
process.exit(0);
