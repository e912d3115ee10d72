import type { ChatRecord, Document } from '../data/document.js';
import { mostlyChinese } from '../data/language.js';
import { openSource } from '../data/source.js';
import { splitChats, splitDocuments } from '../data/split.js';
import { InputError } from '../util/errors.js';
import type { Material } from './material.js';

/** More text than this is not read: no machine that this runs on would get through it in the time. */
const MAXIMUM_CHARACTERS = 64 * 2 ** 20;
/** The question of a chat made from a document is its beginning, at most this long. */
const OPENING_CHARACTERS = 80;

/**
 * Any text as material. Where the source has chats they are learned; where it has plain documents, chats are made of
 * them: the user gives the beginning (the first line), the assistant goes on.
 */
export async function ownMaterial(options: {
  readonly source: string;
  readonly seed: number;
  readonly onProblem: (text: string) => void;
}): Promise<Material> {
  const { source, seed, onProblem } = options;
  const data = await openSource(source, {
    onBadLine: 'skip',
    onSkip: ({ where, summary }) => onProblem(`${where}: ${summary}`),
  });
  const documents: Document[] = [];
  let characters = 0;
  for await (const document of data.documents()) {
    documents.push(document);
    characters += document.text.length;
    if (characters > MAXIMUM_CHARACTERS) {
      onProblem(`Only the first ${Math.round(MAXIMUM_CHARACTERS / 2 ** 20)} M characters of ${source} are used.`);
      break;
    }
  }
  const chats: ChatRecord[] = [];
  for await (const chat of data.chats()) chats.push(chat);
  if (documents.length === 0) {
    for (const { messages, origin } of chats) {
      documents.push({ text: messages.map(({ content }) => content).join('\n'), origin });
    }
  }
  if (documents.length === 0) {
    throw new InputError('no text was found', {
      where: source,
      expected: 'text files, jsonl, csv or an npm package with data',
    });
  }
  const { training, heldOut } = await splitDocuments(documents, { heldOutFraction: 0.05, seed });
  const made = chats.length > 0 ? undefined : { training: continuations(training), heldOut: continuations(heldOut) };
  const { training: trainingChats, heldOut: heldOutChats } =
    made ?? (await splitChats(chats, { heldOutFraction: 0.05, seed }));
  if (trainingChats.length === 0) {
    throw new InputError('the texts are too short to make chats of', {
      where: source,
      expected: 'documents of more than one line, or of more than a few words',
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
    showcase: heldOutChats.slice(0, 4).map(({ messages }) => messages.slice(0, 1)),
  };
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
