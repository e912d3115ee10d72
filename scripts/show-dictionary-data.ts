/**
 * Prints samples and statistics of the forge's default data: documents, chats, held-out words, questions.
 *
 *     npx tsx scripts/show-dictionary-data.ts [SEED] [SAMPLES-OF-EACH]
 */

import { additionQuestions } from '../src/data/arithmetic.js';
import { selectHeldOutWords } from '../src/data/dictionary-held-out.js';
import { DICTIONARY_MIXTURE, dictionaryExamples } from '../src/data/dictionary-mixture.js';
import { dictionaryDocuments } from '../src/data/dictionary-text.js';
import { dictionaryQuestions } from '../src/data/dictionary-tool.js';
import { WordNet } from '../src/data/wordnet.js';
import type { ChatMessage } from '../src/tokenizer/chat-template.js';

const seed = Number(process.argv[2] ?? 1);
const samples = Number(process.argv[3] ?? 3);
const print = (text: string) => process.stdout.write(`${text}\n`);
let started = performance.now();
const lap = (what: string) => {
  print(`[${what}: ${Math.round(performance.now() - started)} ms]`);
  started = performance.now();
};
const show = (messages: readonly ChatMessage[]) =>
  messages
    .map(({ role, content, toolCalls }) =>
      toolCalls === undefined ? `<${role}> ${content}` : `<call> ${toolCalls[0]!.name} ${toolCalls[0]!.arguments}`,
    )
    .join('\n');

const wordnet = new WordNet();
lap('WordNet loaded');
const heldOutWords = selectHeldOutWords({ wordnet, seed });
lap(`${heldOutWords.length} held-out words`);
print(heldOutWords.slice(0, 20).join(' '));

let documents = 0;
let characters = 0;
const dropped: Record<string, number> = {};
const onDrop = (_: string, reason: string) => {
  dropped[reason] = (dropped[reason] ?? 0) + 1;
};
for (const { text, origin } of dictionaryDocuments({ wordnet, heldOutWords, seed, onDrop })) {
  documents++;
  characters += text.length;
  if (documents <= samples * 4) print(`\n(${origin}) ${text}`);
}
print(`\n${documents} documents, ${characters} characters, ${(characters / documents).toFixed(1)} each`);
print(`dropped: ${JSON.stringify(dropped)}`);
lap('documents');

const examples = dictionaryExamples({ wordnet, heldOutWords, seed });
lap('chats prepared');
const count = 10_000;
const byKind = new Map<string, { count: number; characters: number; longest: number; shown: string[] }>();
for (let i = 0; i < count; i++) {
  const kind = examples.kindAt(i);
  const text = show(examples.at(i));
  const seen = byKind.get(kind) ?? { count: 0, characters: 0, longest: 0, shown: [] };
  byKind.set(kind, seen);
  seen.count++;
  seen.characters += text.length;
  seen.longest = Math.max(seen.longest, text.length);
  if (seen.shown.length < samples) seen.shown.push(text);
}
lap(`${count} chats`);
for (const [kind, { shown }] of byKind) print(`\n== ${kind}\n${shown.join('\n\n')}`);
print('');
for (const [kind, seen] of byKind) {
  const weight = DICTIONARY_MIXTURE[kind as keyof typeof DICTIONARY_MIXTURE];
  const mean = (seen.characters / seen.count).toFixed(0);
  print(`${kind.padEnd(18)} weight ${weight}, ${seen.count} of ${count}, ${mean} characters, longest ${seen.longest}`);
}
print('\n== questions');
const questions = dictionaryQuestions(wordnet, heldOutWords, seed);
for (const { question, expected } of questions.slice(0, samples * 4)) print(`${question} -> ${expected}`);
const tasks: Record<string, number> = {};
for (const { task } of questions) tasks[task] = (tasks[task] ?? 0) + 1;
print(`${questions.length} questions: ${JSON.stringify(tasks)}`);
for (const { question, expected } of additionQuestions(samples, { steps: true }, seed))
  print(`${question} -> ${expected}`);
lap('questions');
