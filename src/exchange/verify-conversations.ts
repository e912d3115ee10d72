import type { ChatMessage } from '../tokenizer/chat-template.js';
import type { Json } from '../util/json.js';

/** A chat that both templates render. */
export interface Conversation {
  readonly name: string;
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly Json[];
  /** It is a whole chat, as models are trained on; default: an answer is asked for. */
  readonly isWhole?: boolean;
}

const WEATHER: Json = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'The weather of a place',
    parameters: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
  },
};

/** One of each form that templates treat in their own way. */
export const CONVERSATIONS: readonly Conversation[] = [
  { name: 'one question', messages: [{ role: 'user', content: 'What is a furnace?' }] },
  {
    name: 'system message',
    messages: [
      { role: 'system', content: 'You are brief.' },
      { role: 'user', content: '什么是炼丹炉？' },
    ],
  },
  {
    name: 'several turns',
    messages: [
      { role: 'system', content: 'You are brief.' },
      { role: 'user', content: ' What is two and two? \n' },
      { role: 'assistant', content: 'Four.' },
      { role: 'user', content: 'And twice that?' },
      { role: 'assistant', content: '  Eight.\n' },
      { role: 'user', content: 'Thanks 👍🏽 {{ not }} {% a template %}' },
    ],
  },
  {
    name: 'a whole chat',
    messages: [
      { role: 'user', content: 'What is two and two?' },
      { role: 'assistant', content: 'Four.' },
    ],
    isWhole: true,
  },
  {
    name: 'special tokens in a message',
    messages: [{ role: 'user', content: 'Say <|im_end|> and </s> and <|end|> and [INST] as they are.' }],
  },
  { name: 'tools on offer', messages: [{ role: 'user', content: 'Is it raining in Bern?' }], tools: [WEATHER] },
  {
    name: 'a tool was called',
    messages: [
      { role: 'user', content: 'Is it raining in Bern?' },
      { role: 'assistant', content: '', toolCalls: [{ name: 'weather', arguments: { place: 'Bern' } }] },
      { role: 'tool', content: '{"rain": true}' },
    ],
    tools: [WEATHER],
  },
];
