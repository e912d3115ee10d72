import type { Sample } from '../evaluate/report-card.js';
import type { Metric } from '../evaluate/report-card-metric.js';
import { answerAll } from '../llm/batch.js';
import type { Sampling } from '../llm/language-model.js';
import type { LocalModel } from '../llm/local.js';
import type { ChatMessage } from '../tokenizer/chat-template.js';
import type { Exam, Material } from './material.js';

export interface ExamResult {
  readonly name: string;
  readonly right: number;
  readonly count: number;
}

export interface ExaminationOptions {
  /** Most questions of each exam; all by default. */
  readonly questions?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Greedy answers to every question of every exam, graded; undefined where it was stopped: half an exam tells nothing. */
export async function examine(
  model: LocalModel,
  { exams, tools }: Pick<Material, 'exams' | 'tools'>,
  { questions = Number.POSITIVE_INFINITY, signal, onProgress }: ExaminationOptions = {},
): Promise<ExamResult[] | undefined> {
  const asked = exams.map((exam) => ({ ...exam, questions: exam.questions.slice(0, questions) }));
  const total = asked.reduce((sum, exam) => sum + exam.questions.length, 0);
  const results: ExamResult[] = [];
  let before = 0;
  for (const exam of asked) {
    const answers = await answerAll(
      model,
      exam.questions.map(({ messages }) => messages),
      {
        maxTokens: exam.maxTokens,
        tools: exam.tools ? tools : [],
        signal,
        onProgress: (done) => onProgress?.(before + done, total),
      },
    );
    if (signal?.aborted) return undefined;
    const right = exam.questions.filter(({ grade }, i) => grade(answers[i]!.answer)).length;
    results.push({ name: exam.name, right, count: exam.questions.length });
    before += exam.questions.length;
  }
  return results;
}

/** The results as metrics of the report card. */
export function examMetrics(before: readonly ExamResult[], after: readonly ExamResult[]): Metric[] {
  return after.map(({ name, right, count }, i) => {
    const earlier = before[i];
    return {
      name,
      unit: 'share',
      ...(earlier && earlier.count > 0 ? { before: earlier.right / earlier.count, countBefore: earlier.count } : {}),
      after: right / count,
      higherIsBetter: true,
      count,
    };
  });
}

/** Conversations of the report. */
const SHOWN = 4;

/** Conversations for the report: what was asked, what was called, what was answered. Those too long are passed over. */
export async function showcase(
  model: LocalModel,
  { showcase: offered, tools }: Pick<Material, 'showcase' | 'tools'>,
  sampling: Sampling,
  seed: number,
): Promise<Sample[]> {
  const fits = (messages: readonly ChatMessage[]): boolean =>
    messages.some(({ role }) => role === 'user') && model.format.encode(messages, tools).length <= model.positions;
  const conversations = offered.filter(fits).slice(0, SHOWN);
  const answers = await answerAll(model, conversations, { maxTokens: 96, tools, sampling, seed });
  return conversations.map((messages, i) => {
    const { answer, calls } = answers[i]!;
    return {
      turns: [
        ...messages.map(({ role, content }) => ({ role, text: content })),
        ...calls.flatMap(({ name, argument, result }) => [
          { role: 'call', text: `${name} ${argument}` },
          { role: 'tool', text: result },
        ]),
        { role: 'assistant', text: answer },
      ],
    };
  });
}

/** How many questions the exams have in all. */
export function questionCount(exams: readonly Exam[]): number {
  return exams.reduce((sum, { questions }) => sum + questions.length, 0);
}
