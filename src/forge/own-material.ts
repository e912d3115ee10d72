import type { ChatRecord, Document } from '../data/document.js';
import { mostlyChinese } from '../data/language.js';
import { openSource } from '../data/source.js';
import { questionOf, splitDocuments } from '../data/split.js';
import type { ChatMessage } from '../tokenizer/chat-template.js';
import { InputError } from '../util/errors.js';
import { formatCount } from '../util/units.js';
import type { Material } from './material.js';

/** More text than this for each minute is not read: reading and counting it would take the time that training needs. */
const CHARACTERS_A_MINUTE = 4 * 2 ** 20;
const MAXIMUM_CHARACTERS = 64 * 2 ** 20;
/** So many bad lines are named; the rest is counted. */
const PROBLEMS_NAMED = 5;
/** The question of a chat made from a document is its beginning, at most this long. */
const OPENING_CHARACTERS = 80;

/**
 * Any text as material. Where the source has chats they are learned; where it has plain documents, chats are made of
 * them: the user gives the beginning (the first line), the assistant goes on.
 */
export async function ownMaterial(options: {
  readonly source: string;
  readonly seed: number;
  readonly minutes: number;
  readonly onProblem: (text: string) => void;
}): Promise<Material> {
  const { source, seed, minutes, onProblem } = options;
  // The text is read twice, for documents and for chats; a bad line is reported once.
  const problems = new Set<string>();
  const data = await openSource(source, {
    onBadLine: 'skip',
    onSkip: ({ where, summary }) => {
      if (!problems.has(where) && problems.size < PROBLEMS_NAMED) onProblem(`${where}: ${summary}`);
      problems.add(where);
    },
  });
  const most = Math.min(MAXIMUM_CHARACTERS, Math.ceil(minutes * CHARACTERS_A_MINUTE));
  const documents: Document[] = [];
  let characters = 0;
  for await (const document of data.documents()) {
    documents.push(document);
    characters += document.text.length;
    if (characters > most) {
      onProblem(`Only the first ${formatCount(most)} characters of ${source} are used.`);
      break;
    }
  }
  const read = new Set(documents.map(({ origin }) => origin));
  const chats: ChatRecord[] = [];
  for await (const chat of data.chats()) {
    if (!read.has(chat.origin)) break;
    chats.push(chat);
  }
  if (problems.size > PROBLEMS_NAMED) onProblem(`${problems.size} lines were left out in all.`);
  if (documents.length === 0) {
    throw new InputError('no text was found', {
      where: source,
      expected: 'text files, jsonl, csv or an npm package with data',
    });
  }
  // A chat is a text too: both are on the same side, and so are all answers to one question.
  const questions = new Map(chats.map((chat) => [chat.origin, questionOf(chat)]));
  const { training, heldOut } = splitDocuments(
    documents,
    { heldOutFraction: 0.05, seed },
    ({ text, origin }) => questions.get(origin) ?? text,
  );
  const heldOutOrigins = new Set(heldOut.map(({ origin }) => origin));
  const made = chats.length === 0;
  const trainingChats = made ? continuations(training) : chats.filter(({ origin }) => !heldOutOrigins.has(origin));
  const heldOutChats = made ? continuations(heldOut) : chats.filter(({ origin }) => heldOutOrigins.has(origin));
  if (trainingChats.length === 0) {
    throw new InputError(made ? 'the texts are too short to make chats of' : 'there are too few chats', {
      where: source,
      expected: made ? 'documents of more than one line, or of more than a few words' : 'at least two different chats',
    });
  }
  return {
    name: source,
    description: `Trained on ${source}${made ? '; in a chat, give it a beginning and it goes on' : ''}.`,
    training,
    heldOut,
    tokenizerKind: mostlyChinese(
      documents
        .slice(0, 200)
        .map(({ text }) => text)
        .join('\n'),
    )
      ? 'character'
      : 'byte-bpe',
    *chats(count) {
      for (let i = 0; i < count; i++) yield trainingChats[i % trainingChats.length]!;
    },
    heldOutChats: heldOutChats.slice(0, 400),
    exams: [],
    tools: [],
    showcase: heldOutChats.slice(0, 40).map(({ messages }) => beforeAnswer(messages)),
  };
}

/** What is said before the first answer. */
function beforeAnswer(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const answer = messages.findIndex(({ role }) => role === 'assistant');
  return answer < 0 ? messages : messages.slice(0, answer);
}

function continuations(documents: readonly Document[]): ChatRecord[] {
  return documents.flatMap(({ text, origin }) => {
    const cut = openingEnd(text);
    const [opening, rest] = [text.slice(0, cut).trim(), text.slice(cut).trim()];
    if (opening === '' || rest === '') return [];
    return [
      {
        messages: [
          { role: 'user', content: opening },
          { role: 'assistant', content: rest },
        ],
        origin,
      },
    ];
  });
}

/** After the first line; of a long one, after a word within the limit. */
function openingEnd(text: string): number {
  const line = text.indexOf('\n');
  if (line > 0 && line <= OPENING_CHARACTERS) return line;
  const limit = Math.min(OPENING_CHARACTERS, text.length >> 1);
  const space = text.lastIndexOf(' ', limit);
  return space > 0 ? space : limit;
}
