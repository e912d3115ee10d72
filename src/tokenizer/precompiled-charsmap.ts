import { CorruptFileError } from '../util/errors.js';
import type { Json } from '../util/json.js';
import { segmentsOf, utf8Length } from './grapheme-segments.js';
import { textAt } from './json-fields.js';

/** Published maps have 300 KB; a file must not make us keep more than this. */
const MOST_BYTES = 1 << 24;
/** The longest replacement of NFKC has 33 bytes; one text must not grow without bound. */
const LONGEST_REPLACEMENT = 256;
/** The bit that marks a unit as a value. */
const IS_VALUE = 0x80000000;
/** The label of a unit; no byte equals that of a value. */
const LABEL = 0x800000ff;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * SentencePiece's compiled rules of normalisation: byte strings and what replaces them, as a double-array trie (Aoe,
 * 1989; layout of Darts-clone) and the replacements one after another, each closed by a zero byte.
 *
 * A unit of 32 bits: bits 0 to 7 the label, bit 8 that a value hangs below, bit 9 that the offset counts blocks of 256,
 * bits 10 to 30 the offset, which is XORed with the unit's own place; bit 31 marks a value.
 */
export class PrecompiledCharsmap {
  private readonly units: Uint32Array;
  private readonly replacements: Uint8Array;
  private readonly texts = new Map<number, string>();
  private readonly scratch = new Uint8Array(64);
  private readonly root: number;
  /** The length of the prefix that `match` found last. */
  matchLength = 0;
  /** Per UTF-16 unit: 0 not looked up, 1 stays, 2 is replaced. */
  private readonly known = new Uint8Array(0x10000);

  /**
   * @param bytes `uint32 size of the trie in bytes` (little-endian), the trie, the replacements.
   * @throws {CorruptFileError} unless every place that the trie can lead to lies inside it.
   */
  constructor(bytes: Uint8Array, where: string) {
    const corrupt = (got: string): CorruptFileError =>
      new CorruptFileError('not a usable map of characters', { where, got });
    if (bytes.length < 8 || bytes.length > MOST_BYTES) throw corrupt(`${bytes.length} bytes`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = view.getUint32(0, true);
    if (size === 0 || size % 4 !== 0 || size > bytes.length - 4) throw corrupt(`a trie of ${size} bytes`);
    this.units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.replacements = bytes.slice(4 + size);
    try {
      decoder.decode(this.replacements);
    } catch {
      throw corrupt('replacements that are not UTF-8');
    }
    this.check(corrupt);
    this.root = offsetOf(this.units[0]!);
  }

  private check(corrupt: (got: string) => CorruptFileError): void {
    const { units, replacements } = this;
    let run = 0;
    for (const byte of replacements) {
      run = byte === 0 ? 0 : run + 1;
      if (run > LONGEST_REPLACEMENT) throw corrupt(`a replacement of more than ${LONGEST_REPLACEMENT} bytes`);
    }
    units.forEach((unit, place) => {
      if (unit >= IS_VALUE) return;
      const below = place ^ offsetOf(unit);
      // A label moves within a block of 256 units.
      if ((below | 0xff) >= units.length) throw corrupt(`a link from unit ${place} out of the trie`);
      if ((unit & 0x100) === 0) return;
      const value = units[below]! % IS_VALUE;
      const isStart = value < replacements.length && (replacements[value]! & 0xc0) !== 0x80;
      if (!isStart) throw corrupt(`a replacement at byte ${value} of ${replacements.length}`);
    });
  }

  /**
   * The text as `Precompiled` of the Hugging Face library makes it: a user-perceived character of fewer than six bytes
   * is replaced as a whole by what its shortest known prefix says, otherwise each code point for itself.
   */
  normalizeGraphemes(text: string): string {
    let result = '';
    let from = 0;
    const replace = (start: number, end: number, by: string): void => {
      result += text.slice(from, start) + by;
      from = end;
    };
    segmentsOf(text, (start, end) => {
      if (end === start + 1) {
        const unit = text.charCodeAt(start);
        if (this.known[unit] === 1) return;
        const found = this.shortest(text[start]!);
        this.known[unit] = found === undefined ? 1 : 2;
        if (found !== undefined) replace(start, end, found);
        return;
      }
      const segment = text.slice(start, end);
      const whole = utf8Length(segment) < 6 ? this.shortest(segment) : undefined;
      if (whole !== undefined) return replace(start, end, whole);
      let at = start;
      for (const character of segment) {
        const found = this.shortest(character);
        if (found !== undefined) replace(at, at + character.length, found);
        at += character.length;
      }
    });
    return from === 0 ? text : result + text.slice(from);
  }

  private shortest(characters: string): string | undefined {
    const { written } = encoder.encodeInto(characters, this.scratch);
    const value = this.match(this.scratch, 0, written, true);
    return value < 0 ? undefined : this.textAt(value);
  }

  private textAt(value: number): string {
    let text = this.texts.get(value);
    if (text === undefined) {
      text = decoder.decode(this.replacement(value));
      this.texts.set(value, text);
    }
    return text;
  }

  /** The bytes that stand at a value. */
  replacement(value: number): Uint8Array {
    const end = this.replacements.indexOf(0, value);
    return this.replacements.subarray(value, end < 0 ? undefined : end);
  }

  /** Whether any rule begins with this byte. */
  mayStart(byte: number): boolean {
    return byte !== 0 && (this.units[this.root ^ byte]! & LABEL) === byte;
  }

  /**
   * The rule for a prefix of `bytes[start..end)`, the shortest one or the longest: where its replacement stands, -1 for
   * no rule. The length of the prefix is then in `matchLength`.
   */
  match(bytes: Uint8Array, start: number, end: number, isShortest: boolean): number {
    const { units } = this;
    let place = this.root;
    let value = -1;
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === 0) break;
      place ^= byte;
      const unit = units[place]!;
      if ((unit & LABEL) !== byte) break;
      place ^= offsetOf(unit);
      if ((unit & 0x100) !== 0) {
        value = units[place]! % IS_VALUE;
        this.matchLength = at + 1 - start;
        if (isShortest) break;
      }
    }
    return value;
  }
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}

/**
 * A `Precompiled` normalizer of `tokenizer.json`.
 *
 * @throws {CorruptFileError} if the map is damaged. @throws {InputError} if there is none.
 */
export function readPrecompiled(part: { [key: string]: Json }, where: string): (text: string) => string {
  const place = `${where}.precompiled_charsmap`;
  const base64 = textAt(part.precompiled_charsmap, place);
  if (base64 === '') return (text) => text;
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) throw new CorruptFileError('not Base64', { where: place });
  const charsmap = new PrecompiledCharsmap(Buffer.from(base64, 'base64'), place);
  return (text) => charsmap.normalizeGraphemes(text);
}
