import * as fs from 'node:fs';
import type { BadLinePolicy } from './bad-line.js';
import type { Document } from './document.js';
import { readTextBlocks } from './text-blocks.js';

/** A line or part of a line that ends a document by itself, as in many published corpora. */
const END_OF_TEXT = '<|endoftext|>';

const LONGEST_DOCUMENT = 4096;
const SHORTEST_DOCUMENT = 256;

/**
 * The document length, in characters, at which a plain text is cut: a few kilobytes, and less for a small file, so that
 * it still gives some dozens of documents to divide into training and held-out text.
 */
export function documentLength(fileBytes: number): number {
  return Math.max(SHORTEST_DOCUMENT, Math.min(LONGEST_DOCUMENT, Math.floor(fileBytes / 64)));
}

function lastSentenceEnd(window: string): number {
  for (let at = window.length - 1; at > window.length / 2; at--) {
    const code = window.charCodeAt(at);
    // Space, tab, and the Chinese full stop, exclamation mark, question mark and comma.
    if (code === 32 || code === 9 || code === 0x3002 || code === 0xff01 || code === 0xff1f || code === 0xff0c) {
      return at + 1;
    }
  }
  return 0;
}

/**
 * Where to cut a text that is longer than the limit: after the last blank line, else the last line end, else a
 * sentence or word end, else between two characters.
 */
function cutPoint(window: string): number {
  const paragraph = window.lastIndexOf('\n\n');
  if (paragraph > 0) return paragraph + 2;
  const line = window.lastIndexOf('\n');
  if (line > 0) return line + 1;
  const sentence = lastSentenceEnd(window);
  if (sentence > 0) return sentence;
  const last = window.charCodeAt(window.length - 1);
  const splitsPair = last >= 0xd800 && last < 0xdc00 && window.length > 1;
  return splitsPair ? window.length - 1 : window.length;
}

/** A piece of a longer text and the offset, in characters, where it began. */
interface Piece {
  readonly text: string;
  readonly start: number;
}

/** Cuts text into pieces of at most `limit` characters; the last one is marked by `start + text.length === length`. */
function* pieces(text: string, limit: number): Generator<Piece> {
  let start = 0;
  while (start < text.length) {
    const window = text.slice(start, start + limit);
    const marker = window.indexOf(END_OF_TEXT);
    if (marker !== -1) {
      if (marker > 0) yield { text: window.slice(0, marker), start };
      start += marker + END_OF_TEXT.length;
      continue;
    }
    const end = start + window.length === text.length ? window.length : cutPoint(window);
    yield { text: window.slice(0, end), start };
    start += end;
  }
}

/** Removes blank lines at both ends and white space at the end. */
function trimDocument(text: string): string {
  return text.replace(/^(?:[^\S\n]*\n)+/, '').trimEnd();
}

/** Cuts a text into documents of at most `limit` characters at paragraph, line or word ends; blank ones are dropped. */
export function cutText(text: string, limit: number): string[] {
  return Array.from(pieces(text, limit), (piece) => trimDocument(piece.text)).filter((piece) => piece.trim() !== '');
}

function countNewlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++;
  return count;
}

/**
 * Streams the documents of a plain text file: paragraphs in their order, grouped up to `documentLength` characters.
 * `origin` is `file:line` of the first line. A line left out for bad bytes ends a document.
 */
export function* textDocuments(file: string, policy: BadLinePolicy): Generator<Document> {
  const limit = documentLength(fs.statSync(file).size);
  let pending = '';
  let line = 1;
  function* cut(final: boolean): Generator<Document> {
    let used = 0;
    for (const piece of pieces(pending, limit)) {
      const end = piece.start + piece.text.length;
      if (!final && end >= pending.length) break;
      const text = trimDocument(piece.text);
      if (text.trim() !== '') {
        const leading = countNewlines(piece.text.slice(0, piece.text.length - piece.text.trimStart().length));
        yield { text, origin: `${file}:${line + countNewlines(pending.slice(used, piece.start)) + leading}` };
      }
      line += countNewlines(pending.slice(used, end));
      used = end;
    }
    pending = final ? '' : pending.slice(used);
  }
  for (const block of readTextBlocks(file, policy)) {
    const expected = line + countNewlines(pending);
    if (block.line !== expected) {
      yield* cut(true);
      line = block.line;
    }
    pending += block.text.includes('\r') ? block.text.replaceAll('\r\n', '\n') : block.text;
    if (pending.length > limit * 4) yield* cut(false);
  }
  yield* cut(true);
}
