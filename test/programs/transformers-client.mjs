/**
 * What transformers.js makes of exported folders, in a process of its own.
 *
 * Reads a job from the standard input, `{ module, root, models: [{ folder, dtype, task, … }] }`, and writes an array of
 * results, in the order of the models:
 *
 * - `texts` → `ids`, `whole`: the ids of each text, without and with the tokens that stand around texts
 * - `chat` → `chat`: the messages in the model's chat template
 * - `prompts`, `tokens` → for generating tasks `single` and `batch`: the ids that follow each prompt alone and all of them
 *   together; `written`: the texts that the pipeline gives
 * - `prompts` → for `feature-extraction` `vectors`: mean of each, normalised, in one batch
 */
import { readFileSync } from 'node:fs';

const job = JSON.parse(readFileSync(0, 'utf8'));
const { env, pipeline } = await import(job.module);
env.allowRemoteModels = false;
env.allowLocalModels = true;
env.localModelPath = job.root;

async function generate(pipe, prompts, tokens, isDecoder) {
  const { tokenizer, model } = pipe;
  tokenizer.padding_side = isDecoder ? 'left' : 'right';
  const add_special_tokens = isDecoder ? Boolean(tokenizer.add_bos_token || tokenizer.add_eos_token) : true;
  const inputs = tokenizer(prompts, { add_special_tokens, padding: true, truncation: true });
  const rows = (await model.generate({ ...inputs, max_new_tokens: tokens, do_sample: false })).tolist();
  const read = isDecoder ? inputs.input_ids.dims[1] : 1;
  return rows.map((row) => row.slice(read).map(Number));
}

async function run({ folder, dtype, task, texts = [], chat, prompts = [], tokens = 0 }) {
  const session_options = { intraOpNumThreads: 1, interOpNumThreads: 1 };
  const pipe = await pipeline(task, folder, { device: 'cpu', session_options, ...(dtype ? { dtype } : {}) });
  const { tokenizer } = pipe;
  const result = {
    ids: texts.map((text) => tokenizer.encode(text, { add_special_tokens: false })),
    whole: texts.map((text) => tokenizer.encode(text)),
    ...(chat ? { chat: tokenizer.apply_chat_template(chat, { tokenize: false, add_generation_prompt: true }) } : {}),
  };
  if (task === 'feature-extraction') {
    const vectors = await pipe(prompts, { pooling: 'mean', normalize: true });
    result.vectors = vectors.tolist();
  } else if (prompts.length > 0) {
    const isDecoder = task === 'text-generation';
    result.single = [];
    for (const prompt of prompts) result.single.push((await generate(pipe, [prompt], tokens, isDecoder))[0]);
    result.batch = await generate(pipe, prompts, tokens, isDecoder);
    const written = await pipe(prompts, { max_new_tokens: tokens, do_sample: false });
    result.written = written.map((each) => (Array.isArray(each) ? each[0] : each).generated_text);
  }
  await pipe.dispose();
  return result;
}

const results = [];
for (const model of job.models) results.push(await run(model));
process.stdout.write(JSON.stringify(results));
