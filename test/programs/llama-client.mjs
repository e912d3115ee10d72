/**
 * What llama.cpp makes of GGUF files, in a process of its own: its threads and its log stay away from the tests.
 *
 * Reads a job from the standard input, `{ module, models: [{ file, texts, prompt, tokens, forced }] }`, and writes for
 * each model, a line of JSON each: ids of the texts, the ids that follow the prompt greedily, and the logits behind
 * every id of `forced` as base64 of float32.
 */
import { readFileSync } from 'node:fs';

const job = JSON.parse(readFileSync(0, 'utf8'));
const { getLlama, LlamaLogLevel } = await import(job.module);
const llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.disabled, logger: () => {} });

async function run({ file, texts = [], prompt, tokens, forced = [] }) {
  const model = await llama.loadModel({ modelPath: file });
  const context = await model.createContext({
    contextSize: Math.max((prompt?.length ?? 0) + (tokens ?? 0), forced.length + 1),
    sequences: 1,
    threads: 1,
    flashAttention: false,
    batching: { dispatchSchedule: (dispatch) => dispatch() },
    // Keys and values as exact as they are computed.
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
  });
  const sequence = context.getSequence();
  const ids = texts.map((text) => [...model.tokenize(text, false)]);

  const greedy = [];
  let next = prompt ?? [];
  while (prompt !== undefined && greedy.length < tokens) {
    const input = next.map((id, i) =>
      i < next.length - 1 ? id : [id, { generateNext: { token: true, options: { temperature: 0 } } }],
    );
    const { token } = (await sequence.controlledEvaluate(input)).at(-1).next;
    greedy.push(token);
    next = [token];
  }

  await sequence.clearHistory();
  // Of a batch that asks for several rows, node-llama-cpp gives a wrong one for the last token: a further one is put there.
  const asked = forced.map((id) => [id, { generateNext: { logits: true } }]);
  const rows = await sequence.controlledEvaluate([...asked, ...forced.slice(-1)]);
  const logits = rows.slice(0, forced.length).map(({ next: { logits: row } }) => {
    const values = new Float32Array(row.size);
    for (const [token, logit] of row) values[token] = logit;
    return Buffer.from(values.buffer).toString('base64');
  });
  await context.dispose();
  await model.dispose();
  return { ids, greedy, logits };
}

for (const model of job.models) process.stdout.write(`${JSON.stringify(await run(model))}\n`);
await llama.dispose();
