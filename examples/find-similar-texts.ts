/**
 * Search by meaning: the texts that are nearest to a question, by the vectors of a sentence encoder such as MiniLM.
 *
 *     npx tsx examples/find-similar-texts.ts hf:sentence-transformers/all-MiniLM-L6-v2 "How do I reset it?" "Press the button." "It rains."
 */
import { Embedder } from '../src/llm/embedder.js';

export interface Found {
  readonly text: string;
  /** Cosine of the angle between the vectors, at most 1. */
  readonly similarity: number;
}

/** The texts in the order of their similarity to the question. */
export async function findSimilar(model: string, question: string, texts: readonly string[]): Promise<Found[]> {
  const embedder = await Embedder.load(model);
  const [asked, ...vectors] = (await embedder.embed([question, ...texts])) as [Float32Array, ...Float32Array[]];
  await embedder.release();
  const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  return texts
    .map((text, i) => {
      const vector = vectors[i]!;
      return { text, similarity: dot(asked, vector) / Math.sqrt(dot(asked, asked) * dot(vector, vector)) };
    })
    .sort((a, b) => b.similarity - a.similarity);
}

if (process.argv[1] === import.meta.filename) {
  const [model, question, ...texts] = process.argv.slice(2) as [string, string, ...string[]];
  for (const { text, similarity } of await findSimilar(model, question, texts)) {
    console.log(`${similarity.toFixed(3)}  ${text}`);
  }
}
