import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { AthanorError, InputError, messageOf } from '../util/errors.js';
import type { Random } from '../util/random.js';
import { type BatchOptions, RowStream, type TokenBatch } from './batch.js';
import { type ChatEncodingOptions, type EncodedChat, encodeChat } from './chat-examples.js';
import type { ChatRecord } from './document.js';
import { fingerprintOf, type TokenIds, TokenList } from './token-store.js';

/** Encoded chats, one after the other. */
export interface ChatStore {
  readonly ids: TokenIds;
  /** 1 for tokens that the assistant says. */
  readonly isAnswer: Uint8Array;
  /** Chat `i` is `ids[offsets[i] .. offsets[i + 1])`. */
  readonly offsets: Uint32Array;
  /** The token that fills rows. */
  readonly padId: number;
  /** Chats cut off at the longest length. */
  readonly truncated: number;
  /** Chats left out: too long, or without an answer inside the length. */
  readonly skipped: number;
}

/** No chat has an answer within the length of a row. */
export class NoChatError extends InputError {}

/** Options of `packChats`. */
export interface PackChatsOptions extends ChatEncodingOptions {
  /** Row length T; a chat may be T + 1 tokens long, because its last token is a target alone. */
  readonly columns: number;
  /** What to do with a longer chat; default `truncate`. */
  readonly tooLong?: 'truncate' | 'skip';
}

function hasAnswer({ isAnswer }: EncodedChat, length: number): boolean {
  const first = isAnswer.indexOf(1, 1);
  return first !== -1 && first < length;
}

/**
 * Encodes chats for `ChatBatches`.
 * @throws {InputError} naming the record, if the template cannot render a chat. @throws {NoChatError} if no chat is left.
 */
export async function packChats(
  chats: Iterable<ChatRecord> | AsyncIterable<ChatRecord>,
  tokenizer: Tokenizer,
  template: string,
  options: PackChatsOptions,
): Promise<ChatStore> {
  const list = new TokenList(tokenizer.vocabularySize);
  const answers = new TokenList(2);
  const offsets: number[] = [0];
  let truncated = 0;
  let skipped = 0;
  for await (const { messages, origin } of chats) {
    let chat: EncodedChat;
    try {
      chat = encodeChat(messages, tokenizer, template, options);
    } catch (error) {
      if (!(error instanceof AthanorError)) throw error;
      throw new InputError(messageOf(error), { where: origin, cause: error });
    }
    const length = Math.min(chat.ids.length, options.columns + 1);
    const cut = length < chat.ids.length;
    if (!hasAnswer(chat, length) || (cut && options.tooLong === 'skip')) {
      skipped++;
      continue;
    }
    if (cut) truncated++;
    list.append(chat.ids.subarray(0, length));
    answers.append(chat.isAnswer.subarray(0, length));
    offsets.push(list.length);
  }
  if (offsets.length === 1) {
    throw new NoChatError('there is no chat to learn from', {
      expected: `chats with an answer within ${options.columns + 1} tokens`,
      got: `${skipped} without one`,
      hint: skipped > 0 ? 'Use a longer context, or shorter chats.' : 'Give chats: records with "messages".',
    });
  }
  const padId = tokenizer.padId ?? tokenizer.eosId ?? 0;
  const isAnswer = Uint8Array.from(answers.toArray());
  return { ids: list.toArray(), isAnswer, offsets: Uint32Array.from(offsets), padId, truncated, skipped };
}

/** Rows that chats may still be added to; more of them fill rows better and take longer to search. */
const OPEN_ROWS = 64;

/**
 * Batches of whole chats, several in a row where they fit: shuffled anew each epoch, then each put into the first of
 * the open rows that has room. Weights are 1 where the target is the assistant's, 0 elsewhere; `segments` tells the
 * chats of a row apart. Every chat is used once an epoch.
 */
export class ChatBatches extends RowStream {
  private readonly order: Uint32Array;
  /** Chats in the order of their rows. */
  private readonly placed: Uint32Array;
  /** Row `r` holds `placed[rowStarts[r] .. rowStarts[r + 1])`. */
  private rowStarts: Uint32Array = new Uint32Array(1);
  private mark: string | undefined;

  /** @throws {InputError} if the shape is impossible or a chat does not fit into a row. */
  constructor(
    private readonly store: ChatStore,
    options: BatchOptions,
  ) {
    super(options, store.padId);
    const count = store.offsets.length - 1;
    this.order = new Uint32Array(count);
    this.placed = new Uint32Array(count);
    for (let chat = 0; chat < count; chat++) {
      if (this.size(chat) <= options.columns) continue;
      throw new InputError('a chat is longer than a row', {
        expected: `at most ${options.columns + 1} tokens`,
        got: `${this.size(chat) + 1} tokens`,
      });
    }
  }

  /** Positions that a chat takes: its tokens but the last. */
  private size(chat: number): number {
    return this.store.offsets[chat + 1]! - this.store.offsets[chat]! - 1;
  }

  protected prepare(random: Random): number {
    const { order, placed, columns } = this;
    const count = order.length;
    for (let i = 0; i < count; i++) order[i] = i;
    random.shuffle(order);
    const rowOf = new Uint32Array(count);
    const room: number[] = [];
    let firstOpen = 0;
    for (let i = 0; i < count; i++) {
      const size = this.size(order[i]!);
      let row = firstOpen;
      while (row < room.length && room[row]! < size) row++;
      if (row === room.length) {
        room.push(columns);
        firstOpen = Math.max(firstOpen, room.length - OPEN_ROWS);
      }
      room[row]! -= size;
      rowOf[i] = row;
    }
    const starts = new Uint32Array(room.length + 1);
    for (let i = 0; i < count; i++) starts[rowOf[i]! + 1]!++;
    for (let row = 0; row < room.length; row++) starts[row + 1]! += starts[row]!;
    const next = starts.slice();
    for (let i = 0; i < count; i++) placed[next[rowOf[i]!]!++] = order[i]!;
    this.rowStarts = starts;
    return room.length;
  }

  protected fillRow(batch: TokenBatch, row: number, index: number): void {
    const { ids, isAnswer, offsets } = this.store;
    const { inputs, targets, weights, segments } = batch;
    let to = row * this.columns;
    const first = this.rowStarts[index]!;
    for (let at = first; at < this.rowStarts[index + 1]!; at++) {
      const chat = this.placed[at]!;
      const from = offsets[chat]!;
      const size = this.size(chat);
      inputs.set(ids.subarray(from, from + size), to);
      targets.set(ids.subarray(from + 1, from + 1 + size), to);
      weights.set(isAnswer.subarray(from + 1, from + 1 + size), to);
      segments.fill(at - first, to, to + size);
      to += size;
    }
  }

  protected fingerprint(): string {
    const { ids, isAnswer, offsets } = this.store;
    this.mark ??= fingerprintOf(ids, isAnswer, offsets, Uint32Array.of(this.columns, this.seed));
    return this.mark;
  }
}
