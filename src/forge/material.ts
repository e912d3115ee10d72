import type { ChatRecord, Document } from '../data/document.js';
import type { ChatTool } from '../llm/tool-loop.js';
import type { ChatMessage } from '../tokenizer/chat-template.js';

/** A question with what the finished model should make of it. */
export interface ExamQuestion {
  readonly messages: readonly ChatMessage[];
  /** Whether an answer is right. */
  readonly grade: (answer: string) => boolean;
}

/** One group of questions, scored together. */
export interface Exam {
  readonly name: string;
  readonly questions: readonly ExamQuestion[];
  /** Offer the model its tools. */
  readonly tools: boolean;
  readonly maxTokens: number;
}

/** What a forge is made from: everything that differs between the default dictionary and a user's own data. */
export interface Material {
  readonly name: string;
  /** A sentence for the report. */
  readonly description: string;
  readonly training: readonly Document[];
  readonly heldOut: readonly Document[];
  readonly tokenizerKind: 'byte-bpe' | 'character';
  /** The first so many chats for instruction tuning, the same at each call. */
  chats(count: number): Iterable<ChatRecord>;
  /** Chats that no training chat repeats. */
  readonly heldOutChats: readonly ChatRecord[];
  readonly exams: readonly Exam[];
  readonly tools: readonly ChatTool[];
  /** Shown in the report, answered by the finished model. */
  readonly showcase: readonly (readonly ChatMessage[])[];
}
