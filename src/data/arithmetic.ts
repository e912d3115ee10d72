import type { ChatMessage } from '../tokenizer/chat-template.js';
import { hashText, Random } from '../util/random.js';

/** Adding or subtracting, and whether the steps are written out. */
export interface ArithmeticTask {
  readonly operator: '+' | '-';
  readonly steps: boolean;
}

/** A question with its answer; `expected` is the number alone. */
export interface SumQuestion {
  readonly a: number;
  readonly b: number;
  readonly question: string;
  readonly expected: number;
}

/** Ways to ask for `#1 + #2`; as with words, a number stands after a space. */
const ADD = [
  'What is #1+#2?',
  'What is #1 + #2?',
  'Add #1 and #2.',
  'What is #1 plus #2?',
  'Compute #1+#2.',
  'How much is #1 + #2?',
  'Please add #1 to #2.',
  'What is the sum of #1 and #2?',
];
const SUBTRACT = [
  'What is #1-#2?',
  'What is #1 - #2?',
  'Subtract #2 from #1.',
  'What is #1 minus #2?',
  'Compute #1-#2.',
  'How much is #1 - #2?',
  'Take #2 from #1.',
  'What is the difference of #1 and #2?',
];
const STEP_BY_STEP = ['Step by step.', 'Show your steps.', 'Think step by step.', 'Write out the steps.'];

/** Every phrase that a question about numbers can be made of. */
export const ARITHMETIC_PHRASES: readonly string[] = [...ADD, ...SUBTRACT, ...STEP_BY_STEP];

/**
 * Whether a pair of three-digit numbers is kept for the evaluation: one pair in twenty, whichever number comes first,
 * the same in every run. Training has no sum or difference of such a pair.
 */
export function isHeldOutPair(a: number, b: number): boolean {
  if (a < 100 || b < 100) return false;
  return (hashText(`${Math.min(a, b)}+${Math.max(a, b)}`) >>> 8) % 20 === 0;
}

/** A training chat. Three pairs in four have three digits each; a difference is never negative. */
export function arithmeticChat(random: Random, task: ArithmeticTask): ChatMessage[] {
  let [a, b] = drawPair(random);
  while (isHeldOutPair(a, b)) [a, b] = drawPair(random);
  if (task.operator === '-' && a < b) [a, b] = [b, a];
  return [
    { role: 'user', content: ask(random, a, b, task) },
    { role: 'assistant', content: arithmeticAnswer(a, b, task) },
  ];
}

/**
 * Additions of held-out pairs of three-digit numbers, phrased as in training.
 * @param count how many; @param steps whether to ask for the steps.
 */
export function additionQuestions(count: number, { steps }: { readonly steps: boolean }, seed: number): SumQuestion[] {
  const random = new Random(seed, 'addition-questions');
  const seen = new Set<string>();
  const questions: SumQuestion[] = [];
  while (questions.length < count) {
    const a = threeDigits(random);
    const b = threeDigits(random);
    const question = ask(random, a, b, { operator: '+', steps });
    // There are some 40,000 such pairs; beyond half of them repetition is allowed, so that any count ends.
    if (!isHeldOutPair(a, b) || (seen.has(`${a}+${b}`) && seen.size < 20_000)) continue;
    seen.add(`${a}+${b}`);
    questions.push({ a, b, question, expected: a + b });
  }
  return questions;
}

/** Whether the number after the last `=` of an answer is the expected one. */
export function gradeSum(expected: number, answer: string): boolean {
  const last = [...answer.matchAll(/=\s*(-?\d+)/g)].at(-1);
  return last !== undefined && Number(last[1]) === expected;
}

/**
 * The answer to `a+b` or `a-b` (numbers of up to three digits, `a >= b` when subtracting). Direct: `347+586=933`. With steps:
 *
 *     347+586        both numbers with three digits (007), so that digits stand at fixed distances from the steps
 *     7+6+0=13       from the right: digit + digit + carry = two digits, carry and result
 *     4+8+1=13
 *     3+5+1=09
 *     =933           last carry, then the results from the last line to the first
 *
 * A difference is written alike, `13-7-0=6`: the first digit says whether ten was borrowed, and the next line
 * subtracts it. Every token then depends on two or three tokens at fixed distances, which is what a small
 * Transformer learns fast. The tokenizer must make every digit a token of its own.
 */
export function arithmeticAnswer(a: number, b: number, { operator, steps }: ArithmeticTask): string {
  const result = operator === '+' ? a + b : a - b;
  if (!steps) return `${a}${operator}${b}=${result}`;
  const top = padded(a);
  const bottom = padded(b);
  const lines = [`${top}${operator}${bottom}`];
  let carry = 0;
  for (let i = 2; i >= 0; i--) {
    const x = Number(top[i]);
    const y = Number(bottom[i]);
    if (operator === '+') {
      const sum = x + y + carry;
      lines.push(`${x}+${y}+${carry}=${String(sum).padStart(2, '0')}`);
      carry = sum >= 10 ? 1 : 0;
    } else {
      const borrow = x - y - carry < 0 ? 1 : 0;
      lines.push(`${borrow}${x}-${y}-${carry}=${borrow * 10 + x - y - carry}`);
      carry = borrow;
    }
  }
  return [...lines, `=${result}`].join('\n');
}

function ask(random: Random, a: number, b: number, { operator, steps }: ArithmeticTask): string {
  const template = random.pick(operator === '+' ? ADD : SUBTRACT);
  const question = template.replace('#1', String(a)).replace('#2', String(b));
  return steps ? `${question} ${random.pick(STEP_BY_STEP)}` : question;
}

function drawPair(random: Random): [number, number] {
  if (random.uniform() < 0.75) return [threeDigits(random), threeDigits(random)];
  return [shortNumber(random), shortNumber(random)];
}

function shortNumber(random: Random): number {
  return random.integer(10 ** (1 + random.integer(3)));
}

function threeDigits(random: Random): number {
  return 100 + random.integer(900);
}

function padded(value: number): string {
  return String(value).padStart(3, '0');
}
