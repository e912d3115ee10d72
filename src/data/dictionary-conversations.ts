import type { ChatMessage } from '../tokenizer/chat-template.js';
import { Random } from '../util/random.js';
import type { DictionaryExamples } from './dictionary-mixture.js';

/** How often a conversation has one, two, three or four questions. */
const TURN_SHARES = [0.55, 0.2, 0.15, 0.1] as const;

function turnsAt(position: number): number {
  let end = 0;
  const found = TURN_SHARES.findIndex((share) => {
    end += share;
    return position < end;
  });
  return found < 0 ? TURN_SHARES.length : found + 1;
}

/**
 * Conversations of several questions, made of single examples: conversation `i` depends on the seed and `i` alone. A
 * model that has seen single questions only is lost at the second one. Questions to be answered from memory and those
 * where the tool may be called are not mixed, because a system message stands over the whole.
 */
export function dictionaryConversations(
  examples: DictionaryExamples,
  seed: number,
): { at(index: number): ChatMessage[] } {
  const most = TURN_SHARES.length;
  return {
    at(index) {
      const random = new Random(seed, `conversation ${index}`);
      const turns = turnsAt(random.uniform());
      const first = index * most;
      const fromMemory = examples.kindAt(first) === 'memory';
      const messages = [...examples.at(first)];
      for (let i = first + 1; i < first + turns; i++) {
        if ((examples.kindAt(i) === 'memory') !== fromMemory) continue;
        messages.push(...examples.at(i).filter(({ role }) => role !== 'system'));
      }
      return messages;
    },
  };
}
