import type { DictionaryTask } from './dictionary-entry.js';

/**
 * Ways to ask, `*` being the word. The word always stands after a space and before a space or a mark, so that the
 * tokens of the question, of the call and of the answer are the same ones and can be copied.
 */
export const QUESTION_TEMPLATES: Record<DictionaryTask, readonly string[]> = {
  define: [
    'What does * mean?',
    'What is the meaning of *?',
    'Define *.',
    'Please define *.',
    'Can you define *?',
    'Give me a definition of *.',
    'What is the definition of *?',
    'Explain the word *.',
    'I do not know what * means.',
    'Tell me what * means.',
    'How would a dictionary define *?',
    'Meaning of *?',
  ],
  synonyms: [
    'What are synonyms of *?',
    'Give me synonyms for *.',
    'What is another word for *?',
    'Which words mean the same as *?',
    'Find a synonym of *.',
    'What else can I say for *?',
    'Name some synonyms of *.',
    'I need another word for *.',
    'Do you know a synonym for *?',
    'Synonyms of *, please.',
  ],
  opposite: [
    'What is the opposite of *?',
    'Give me the opposite of *.',
    'What is an antonym of *?',
    'Name the opposite of *.',
    'Which word is the opposite of *?',
    'Do you know the opposite of *?',
    'Find an antonym for *.',
    'I need the opposite of *.',
    'Tell me an antonym of *.',
    'Opposite of *?',
  ],
  kind: [
    'What kind of thing is *?',
    'To which kind belongs *?',
    'What is * a kind of?',
    'Which group does * belong to?',
    'Name the kind of *.',
    'What is * an instance of?',
    'Of what kind is *?',
    'What more general word covers *?',
    'Tell me what kind * is.',
    'What sort of thing is *?',
  ],
  example: [
    'Use * in a sentence.',
    'Give me an example of *.',
    'Show me a sentence with *.',
    'How is * used in a sentence?',
    'Write a sentence that uses *.',
    'Can you use * in a sentence?',
    'Give an example sentence for *.',
    'Make a sentence with *.',
    'I want to see * in a sentence.',
    'Example sentence with *, please.',
  ],
};

/** What to ask when someone types a single word: its meaning. Small talk and whole questions stay as they are. */
export function asQuestion(text: string): string {
  const word = text.trim();
  const spoken = SMALL_TALK.some(({ ask }) =>
    ask.some((phrase) => phrase.replace(/\W+$/, '').toLowerCase() === word.toLowerCase()),
  );
  return /^[\p{L}-]+$/u.test(word) && !spoken ? `What does ${word} mean?` : text;
}

/** Small talk: what may be said, and the one answer to it. */
export const SMALL_TALK: readonly { readonly ask: readonly string[]; readonly answer: string }[] = [
  {
    ask: ['Hello.', 'Hi.', 'Hello!', 'Hi there.', 'Hey.', 'Good morning.', 'Good evening.', 'Good day.', 'Greetings.'],
    answer: 'Hello! Ask me about a word.',
  },
  {
    ask: [
      'Who are you?',
      'What are you?',
      'What is your name?',
      'Tell me about yourself.',
      'Are you a person?',
      'Are you a robot?',
      'Introduce yourself.',
      'Who am I talking to?',
    ],
    answer: 'I am a dictionary assistant, a small language model trained on this machine.',
  },
  {
    ask: [
      'What can you do?',
      'Help.',
      'How can you help me?',
      'What do you know?',
      'Can you help me?',
      'What can I ask?',
      'How do I use you?',
      'What are you good at?',
    ],
    answer: 'I explain words, name synonyms and opposites, make sentences and add numbers.',
  },
  {
    ask: [
      'Thanks.',
      'Thank you.',
      'Thank you very much.',
      'Great, thanks.',
      'Thanks a lot!',
      'Nice, thank you.',
      'Cheers.',
    ],
    answer: 'You are welcome.',
  },
  {
    ask: ['Bye.', 'Goodbye.', 'See you.', 'See you later.', 'Good night.', 'I have to go.', 'Farewell.', 'Bye bye.'],
    answer: 'Goodbye!',
  },
  {
    ask: [
      'How are you?',
      'How do you do?',
      'How is it going?',
      'Are you well?',
      'How are you today?',
      'How do you feel?',
    ],
    answer: 'I am well. Which word shall I explain?',
  },
];

/** The system message under which the assistant answers without the tool. */
export const MEMORY_SYSTEM = 'Answer from memory.';

/** The tool's result for a word that it does not have, and the answer to that. */
export const NOT_FOUND = 'not found';
export const NOT_FOUND_ANSWER = 'I could not find that word.';
