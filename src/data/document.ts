import type { ChatMessage } from '../tokenizer/chat-template.js';

/** One text to learn from. */
export interface Document {
  readonly text: string;
  /** Where it came from: `file:line`, `file[index]`, or the file. */
  readonly origin: string;
}

/** One conversation to learn from. */
export interface ChatRecord {
  readonly messages: ChatMessage[];
  readonly origin: string;
}
