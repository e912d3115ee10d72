/**
 * Text from a model, streamed by whole characters: a folder that Athanor wrote, or any Llama in Hugging Face layout.
 *
 *     npx tsx examples/generate-text.ts [folder] [prompt] [tokens]
 */
import { LocalModel } from '../src/llm/local.js';

export interface Continuation {
  readonly folder: string;
  readonly prompt: string;
  readonly maxTokens: number;
  /** Called with each piece of text as it comes. */
  readonly onText?: (text: string) => void;
}

/** Continues a prompt; returns the text that was written. */
export async function continueText({ folder, prompt, maxTokens, onText }: Continuation): Promise<string> {
  const model = await LocalModel.load(folder);
  let written = '';
  // Top-p keeps the fewest tokens that hold nine tenths of the probability, and the seed makes the draw repeatable.
  const sampling = { temperature: 0.8, topP: 0.9 };
  for await (const event of model.complete(prompt, { maxTokens, sampling, seed: 1 })) {
    if (event.type !== 'text') continue;
    written += event.text;
    onText?.(event.text);
  }
  await model.release();
  return written;
}

if (process.argv[1] === import.meta.filename) {
  const [folder = 'runs/tiny-llama', prompt = 'You may', tokens = '80'] = process.argv.slice(2);
  process.stdout.write(prompt);
  await continueText({ folder, prompt, maxTokens: Number(tokens), onText: (text) => process.stdout.write(text) });
  process.stdout.write('\n');
}
