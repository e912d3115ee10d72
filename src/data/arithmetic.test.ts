import { expect, test } from 'vitest';
import { Random } from '../util/random.js';
import { additionQuestions, arithmeticAnswer, arithmeticChat, gradeSum, isHeldOutPair } from './arithmetic.js';

test('the written-out steps', () => {
  expect(arithmeticAnswer(347, 586, { operator: '+', steps: true })).toBe(
    '347+586\n7+6+0=13\n4+8+1=13\n3+5+1=09\n=933',
  );
  expect(arithmeticAnswer(7, 95, { operator: '+', steps: true })).toBe('007+095\n7+5+0=12\n0+9+1=10\n0+0+1=01\n=102');
  expect(arithmeticAnswer(523, 187, { operator: '-', steps: true })).toBe(
    '523-187\n13-7-0=6\n12-8-1=3\n05-1-1=3\n=336',
  );
  expect(arithmeticAnswer(347, 586, { operator: '+', steps: false })).toBe('347+586=933');
});

test('every line of every answer is a true equation, and the digits are those of the result', () => {
  const random = new Random(3);
  for (let i = 0; i < 3000; i++) {
    const operator = i % 2 === 0 ? '+' : '-';
    const numbers = [random.integer(1000), random.integer(1000)].sort((x, y) => y - x) as [number, number];
    const lines = arithmeticAnswer(...numbers, { operator, steps: true }).split('\n');
    const digits = lines.slice(1, 4).map((line) => {
      const [, x, y, carry, result] = /^(\d+)[+-](\d)[+-](\d)=(\d+)$/.exec(line)!.map(Number) as number[];
      expect(result).toBe(operator === '+' ? x! + y! + carry! : x! - y! - carry!);
      return result! % 10;
    });
    const result = operator === '+' ? numbers[0] + numbers[1] : numbers[0] - numbers[1];
    expect(lines[4]).toBe(`=${result}`);
    expect(digits[0]! + digits[1]! * 10 + digits[2]! * 100).toBe(result % 1000);
  }
});

test('training never has a held-out pair; one pair in twenty is held out, in either order', () => {
  let heldOut = 0;
  for (let a = 100; a < 1000; a += 3) {
    for (let b = 100; b < 1000; b += 3) {
      if (isHeldOutPair(a, b)) heldOut++;
      if (isHeldOutPair(a, b) !== isHeldOutPair(b, a)) throw new Error('not symmetric');
    }
  }
  expect(heldOut / 90_000).toBeGreaterThan(0.045);
  expect(heldOut / 90_000).toBeLessThan(0.055);
  const random = new Random(5);
  let threeDigits = 0;
  for (let i = 0; i < 5000; i++) {
    const operator = i % 3 === 0 ? '-' : '+';
    const [user, answer] = arithmeticChat(random, { operator, steps: i % 2 === 0 });
    const [a, b] = user!.content.match(/\d+/g)!.map(Number) as [number, number];
    if (isHeldOutPair(a, b)) throw new Error(user!.content);
    if (a > 99 && b > 99) threeDigits++;
    const result = operator === '+' ? a + b : Math.abs(a - b);
    expect(gradeSum(result, answer!.content)).toBe(true);
    expect(/step/i.test(user!.content)).toBe(i % 2 === 0);
  }
  expect(threeDigits).toBeGreaterThan(3500);
});

test('questions are held-out pairs, each once, the same again', () => {
  const questions = additionQuestions(300, { steps: true }, 1);
  expect(questions).toEqual(additionQuestions(300, { steps: true }, 1));
  expect(new Set(questions.map(({ a, b }) => `${a}+${b}`)).size).toBe(300);
  for (const { a, b, question, expected } of questions) {
    expect(isHeldOutPair(a, b)).toBe(true);
    expect(expected).toBe(a + b);
    expect(question).toMatch(/step/i);
  }
  expect(additionQuestions(3, { steps: false }, 1).every(({ question }) => !/step/i.test(question))).toBe(true);
});

test('grading reads the number after the last equals sign', () => {
  expect(gradeSum(933, '3+5+1=09\n=933')).toBe(true);
  expect(gradeSum(933, '347+586=933.')).toBe(true);
  expect(gradeSum(933, '=933\n=934')).toBe(false);
  expect(gradeSum(933, '933')).toBe(false);
  expect(gradeSum(933, '')).toBe(false);
});
