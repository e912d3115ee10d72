import { additionQuestions, arithmeticAnswer, gradeSum } from '../data/arithmetic.js';
import { exchange } from '../data/dictionary-chats.js';
import { dictionaryConversations } from '../data/dictionary-conversations.js';
import { selectHeldOutWords } from '../data/dictionary-held-out.js';
import { dictionaryExamples } from '../data/dictionary-mixture.js';
import { dictionaryDocuments } from '../data/dictionary-text.js';
import { dictionaryQuestions, gradeAnswer, lookupTool, questionMessages } from '../data/dictionary-tool.js';
import type { ChatRecord, Document } from '../data/document.js';
import { splitDocuments } from '../data/split.js';
import { WordNet } from '../data/wordnet.js';
import type { ChatMessage } from '../tokenizer/chat-template.js';
import type { Exam, ExamQuestion, Material } from './material.js';

const HELD_OUT_WORDS = 500;
const SUMS = 200;

/**
 * The default: a dictionary assistant from WordNet, which explains words from memory or by looking them up, and adds
 * numbers. 500 words are kept out of every text and chat, for the exam.
 *
 * @param share of the documents to use, for short runs.
 */
export async function dictionaryMaterial(options: {
  readonly seed: number;
  readonly share: number;
  readonly questions?: number;
}): Promise<Material> {
  const { seed, share, questions = HELD_OUT_WORDS } = options;
  const wordnet = new WordNet();
  const heldOutWords = selectHeldOutWords({ wordnet, seed, count: HELD_OUT_WORDS });
  const documents: Document[] = [...dictionaryDocuments({ wordnet, heldOutWords, seed })];
  const used = documents.slice(0, Math.max(2000, Math.ceil(documents.length * share)));
  const { training, heldOut } = splitDocuments(used, { heldOutFraction: 0.01, seed });
  const conversations = dictionaryConversations(dictionaryExamples({ wordnet, heldOutWords, seed }), seed);
  const chat = (index: number): ChatRecord => ({ messages: conversations.at(index), origin: `chat ${index}` });
  const words = dictionaryQuestions(wordnet, heldOutWords, seed).slice(0, questions);
  const tool = lookupTool(wordnet);

  const lookUps = (withTool: boolean): ExamQuestion[] =>
    words.map((question) => ({
      messages: questionMessages(question, { tool: withTool }),
      grade: (answer) => gradeAnswer(question.expected, answer),
    }));
  const sums = (steps: boolean): ExamQuestion[] =>
    additionQuestions(Math.min(SUMS, questions), { steps }, seed).map(({ question, expected }) => ({
      messages: [{ role: 'user', content: question }],
      grade: (answer) => gradeSum(expected, answer),
    }));
  const exams: Exam[] = [
    { name: 'unseen words, with the look-up tool', questions: lookUps(true), tools: true, maxTokens: 96 },
    { name: 'unseen words, from memory', questions: lookUps(false), tools: false, maxTokens: 64 },
    { name: 'three-digit sums, steps written out', questions: sums(true), tools: false, maxTokens: 48 },
    { name: 'three-digit sums, answered at once', questions: sums(false), tools: false, maxTokens: 20 },
  ];
  // Drawn like the training chats, some would repeat one of them: what the exam asks is in none.
  const heldOutChats = [
    ...words.map(({ word, question, expected }) => exchange(question, word, tool.run(word), expected)),
    ...additionQuestions(Math.min(SUMS, questions), { steps: true }, seed).map(({ a, b, question }): ChatMessage[] => [
      { role: 'user', content: question },
      { role: 'assistant', content: arithmeticAnswer(a, b, { operator: '+', steps: true }) },
    ]),
  ];
  const heldOutWord = (i: number): string => heldOutWords[i % heldOutWords.length]!;
  return {
    name: 'dictionary',
    description: 'A dictionary assistant from WordNet: definitions, synonyms, opposites, a look-up tool, sums.',
    training,
    heldOut,
    tokenizerKind: 'byte-bpe',
    *chats(count) {
      for (let i = 0; i < count; i++) yield chat(i);
    },
    heldOutChats: heldOutChats.map((messages, i) => ({ messages, origin: `held-out chat ${i + 1}` })),
    exams,
    tools: [tool],
    showcase: [
      [{ role: 'user', content: `What does ${heldOutWord(0)} mean?` }],
      [{ role: 'user', content: `Give me synonyms for ${heldOutWord(1)}.` }],
      [{ role: 'user', content: 'What is 347+586? Think step by step.' }],
      [{ role: 'user', content: 'Who are you?' }],
    ],
  };
}
