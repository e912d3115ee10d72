import { CorruptFileError } from '../util/errors.js';
import { ProtoReader } from '../util/protobuf-reader.js';

/** What a piece of a SentencePiece model is for. */
export const PIECE_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface ProtoPiece {
  readonly text: string;
  readonly score: number;
  /** One of `PIECE_TYPE`. */
  readonly type: number;
}

/** The parts of a SentencePiece `ModelProto` that matter for using it; field names as in its schema. */
export interface SentencePieceProto {
  readonly pieces: readonly ProtoPiece[];
  /** 1 unigram, 2 BPE, 3 word, 4 character. */
  readonly modelType: number;
  readonly byteFallback: boolean;
  readonly treatWhitespaceAsSuffix: boolean;
  /** Ids, -1 for none. */
  readonly bosId: number;
  readonly eosId: number;
  readonly padId: number;
  readonly charsmap: Uint8Array;
  readonly addDummyPrefix: boolean;
  readonly removeExtraWhitespaces: boolean;
  readonly escapeWhitespaces: boolean;
  readonly denormalizerCharsmap: Uint8Array;
}

const MOST_PIECES = 1 << 22;

type Fields = { -readonly [Key in Exclude<keyof SentencePieceProto, 'pieces'>]: SentencePieceProto[Key] };

/** Reads a `ModelProto`. @throws {CorruptFileError} naming the byte. */
export function readSentencePieceProto(bytes: Uint8Array, file: string): SentencePieceProto {
  const pieces: ProtoPiece[] = [];
  // What the schema says for fields that are not written.
  const fields: Fields = {
    modelType: 1,
    byteFallback: false,
    treatWhitespaceAsSuffix: false,
    bosId: 1,
    eosId: 2,
    padId: -1,
    charsmap: new Uint8Array(0),
    addDummyPrefix: true,
    removeExtraWhitespaces: true,
    escapeWhitespaces: true,
    denormalizerCharsmap: new Uint8Array(0),
  };
  const reader = new ProtoReader(bytes, { file, kind: 'SentencePiece model' });
  while (reader.next()) {
    if (reader.field === 1) {
      if (pieces.length === MOST_PIECES) throw reader.corrupt('more pieces than any vocabulary has');
      pieces.push(readPiece(reader.message(), pieces.length));
    } else if (reader.field === 2) readTrainerSpec(reader.message(), fields);
    else if (reader.field === 3) readNormalizerSpec(reader.message(), fields);
    else if (reader.field === 5) {
      const spec = reader.message();
      while (spec.next()) if (spec.field === 2) fields.denormalizerCharsmap = spec.bytes();
    }
  }
  if (pieces.length === 0) {
    throw new CorruptFileError('not a SentencePiece model: it holds no pieces', { where: file });
  }
  return { pieces, ...fields };
}

function readPiece(reader: ProtoReader, id: number): ProtoPiece {
  let text = '';
  let score = 0;
  let type: number = PIECE_TYPE.normal;
  while (reader.next()) {
    if (reader.field === 1) text = reader.string();
    else if (reader.field === 2) score = reader.float();
    else if (reader.field === 3) type = reader.int();
  }
  if (text === '' || !Number.isFinite(score) || type < 1 || type > 6) {
    throw reader.corrupt(`piece ${id} has the text ${JSON.stringify(text)}, the score ${score} and the type ${type}`);
  }
  return { text, score, type };
}

function readTrainerSpec(reader: ProtoReader, fields: Fields): void {
  while (reader.next()) {
    if (reader.field === 3) fields.modelType = reader.int();
    else if (reader.field === 24) fields.treatWhitespaceAsSuffix = reader.int() !== 0;
    else if (reader.field === 35) fields.byteFallback = reader.int() !== 0;
    else if (reader.field === 41) fields.bosId = reader.int();
    else if (reader.field === 42) fields.eosId = reader.int();
    else if (reader.field === 43) fields.padId = reader.int();
  }
}

function readNormalizerSpec(reader: ProtoReader, fields: Fields): void {
  while (reader.next()) {
    if (reader.field === 2) fields.charsmap = reader.bytes();
    else if (reader.field === 3) fields.addDummyPrefix = reader.int() !== 0;
    else if (reader.field === 4) fields.removeExtraWhitespaces = reader.int() !== 0;
    else if (reader.field === 5) fields.escapeWhitespaces = reader.int() !== 0;
  }
}
