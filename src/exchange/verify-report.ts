import { textTable } from '../util/table.js';
import { formatPercent } from '../util/units.js';
import type { Verification } from './verify.js';
import type { ChatComparison } from './verify-chat.js';
import type { GreedyComparison } from './verify-greedy.js';
import type { OutputComparison } from './verify-outputs.js';
import type { TokenizerComparison } from './verify-tokenizer.js';
import { BOUNDS, EQUAL_WITHIN } from './verify-verdict.js';

const MOST_LINES = 4;

/** A verification for people: a table with a row for each part, and under it where the two differ. */
export function verificationText(verification: Verification): string {
  const { tokenizer, outputs, greedy, chat, kind, precision, verdict } = verification;
  const rows: [string, string, string][] = [
    ['tokenizer', tokenizer.verdict, tokenizerText(tokenizer)],
    ...outputTexts(outputs).map((text, i): [string, string, string] =>
      i === 0 ? [kind === 'encoder' ? 'vectors' : 'logits', outputs.verdict, text] : ['', '', text],
    ),
    ['greedy', greedy?.verdict ?? '–', greedy === undefined ? 'an encoder writes nothing' : greedyText(greedy)],
    ['chat', chat?.verdict ?? '–', chat === undefined ? 'neither has a chat template' : chatText(chat)],
  ];
  const bound = BOUNDS[precision];
  const limits =
    precision === 'float32'
      ? `equal: within ${EQUAL_WITHIN} of the greatest`
      : `equal: within ${EQUAL_WITHIN} of the greatest; close, for ${precision}: mean relative difference ${bound.relative}, divergence ${bound.divergence}`;
  const lines = [
    textTable(['part', 'verdict', 'found'], rows),
    '',
    `${verification.a} and ${verification.b}: ${verdict.toUpperCase()} (${limits})`,
  ];
  return [...lines, ...differencesOf(verification)].join('\n');
}

function tokenizerText({ texts, checks, differing }: TokenizerComparison): string {
  return differing === 0
    ? `${texts} texts, ${checks} checks, all the same`
    : `${differing} of ${checks} checks on ${texts} texts differ`;
}

function outputTexts(outputs: OutputComparison): string[] {
  const { positions, prompts, lengths, largestDifference, largestRelative, meanRelative } = outputs;
  if (outputs.reason !== undefined) return [outputs.reason];
  const range = lengths[0] === lengths[1] ? `${lengths[0]}` : `${lengths[0]} to ${lengths[1]}`;
  const lines = [
    `largest difference ${short(largestDifference)}, ${short(largestRelative)} of the greatest beside it`,
    `mean relative difference ${short(meanRelative)}`,
  ];
  const { divergence, topAgreement } = outputs;
  if (divergence !== undefined && topAgreement !== undefined) {
    lines.push(`divergence ${short(divergence)} nats, same likeliest token at ${formatPercent(topAgreement)}`);
  }
  return [...lines, `${prompts} prompts of ${range} tokens, ${positions} positions`];
}

function greedyText({ prompts, tokens, same, partings }: GreedyComparison): string {
  const ties = partings.filter(({ isTie }) => isTie).length;
  const note = ties === 0 ? '' : `, ${ties} of the others by a tie`;
  return `${same} of ${prompts} continuations of ${tokens} tokens are the same${note}`;
}

function chatText({ conversations, differences }: ChatComparison): string {
  if (differences.length === 0) return `${conversations} conversations, the same text and ids`;
  return conversations === 0 ? 'only one has a chat template' : `${differences.length} of ${2 * conversations} differ`;
}

function differencesOf({ tokenizer, greedy, chat }: Verification): string[] {
  const lines: string[] = [];
  for (const { text, way, a, b } of tokenizer.differences.slice(0, MOST_LINES)) {
    lines.push(`  tokenizer, ${way}${text === '' ? '' : `, ${quoted(text)}`}:`, `    ${quoted(a)}`, `    ${quoted(b)}`);
  }
  for (const { prompt, at, a, b, margin, isTie, isConsistent } of (greedy?.partings ?? []).slice(0, MOST_LINES)) {
    const tokens = `${quoted(a.text)} (${a.id}) and ${quoted(b.text)} (${b.id})`;
    const kind = isTie ? 'a tie, ' : '';
    const fault = isConsistent ? '' : '; not what its own outputs say: step by step is not the whole pass';
    lines.push(
      `  greedy, prompt ${prompt + 1}: ${tokens} after ${at} tokens; ${kind}${Number.isNaN(margin) ? 'one of them only one model has' : `${short(margin)} apart in logits`}${fault}`,
    );
  }
  for (const { conversation, what, a, b } of (chat?.differences ?? []).slice(0, MOST_LINES)) {
    lines.push(`  chat, ${conversation}, ${what}:`, `    ${quoted(a)}`, `    ${quoted(b)}`);
  }
  return lines;
}

/** Fit for a terminal: nothing that would steer it, of bounded length. */
function quoted(text: string): string {
  const plain = JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
  return plain.length > 100 ? `${plain.slice(0, 99)}…"` : plain;
}

const short = (value: number): string => (value === 0 ? '0' : value.toPrecision(2));
