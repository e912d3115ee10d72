/**
 * Tokenizes texts as llama.cpp does, in a process of its own, because llama.cpp logs and keeps threads: on the standard
 * input `{ module, tasks }`, on the standard output for each task the ids of each text.
 */
import { readFileSync } from 'node:fs';

interface Task {
  readonly file: string;
  readonly texts: readonly string[];
  /** Whether special tokens in the text are recognised. */
  readonly special: boolean;
}

/** `module`: address of `node-llama-cpp`. */
const { module, tasks } = JSON.parse(readFileSync(0, 'utf8')) as { module: string; tasks: Task[] };
const { getLlama } = await import(module);
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'disabled' });
const results: number[][][] = [];
for (const { file, texts, special } of tasks) {
  const model = await llama.loadModel({ modelPath: file, vocabOnly: true });
  results.push(texts.map((text) => model.tokenize(text, special)));
  await model.dispose();
}
process.stdout.write(JSON.stringify(results));
await llama.dispose();
