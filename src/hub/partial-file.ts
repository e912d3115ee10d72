import { createHash, type Hash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { fileErrorReason, WriteError } from '../util/files.js';

const READ_BYTES = 2 ** 20;

/** What a file must be in the end. */
export interface Promised {
  readonly bytes: number;
  /** SHA-256 (64 digits), or the SHA-1 of Git's blob (40 digits). */
  readonly etag: string;
}

/** A hash that gives the etag when it has taken all bytes. Git's begins with the kind and length of the object. */
function hashOf({ bytes, etag }: Promised): Hash {
  return etag.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
}

/** The beginning of a file on its way, on the disk, with its running checksum. One process has it open at a time. */
export class PartialFile {
  /** How much of the file is here. */
  bytes = 0;
  private hash: Hash;
  private readonly handle: fs.FileHandle;
  private readonly file: string;
  private readonly promised: Promised;

  private constructor(file: string, handle: fs.FileHandle, promised: Promised) {
    this.file = file;
    this.handle = handle;
    this.promised = promised;
    this.hash = hashOf(promised);
  }

  /**
   * Opens what an earlier run left, or begins anew. What is there is read once, for the checksum.
   * @throws {WriteError}
   */
  static async open(file: string, promised: Promised, check: () => void = () => {}): Promise<PartialFile> {
    let handle: fs.FileHandle;
    try {
      handle = await fs.open(file, 'a+');
    } catch (error) {
      throw cannotWrite(file, error);
    }
    try {
      const partial = new PartialFile(file, handle, promised);
      const { size } = await handle.stat();
      // More than the whole file is not the beginning of it.
      if (size > promised.bytes) await partial.restart();
      else await partial.readUpTo(size, check);
      return partial;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Takes what is there into the checksum. */
  private async readUpTo(size: number, check: () => void): Promise<void> {
    const buffer = Buffer.alloc(Math.min(READ_BYTES, size));
    while (this.bytes < size) {
      check();
      const { bytesRead } = await this.handle.read(buffer, 0, Math.min(READ_BYTES, size - this.bytes), this.bytes);
      if (bytesRead === 0) return; // Somebody has cut it.
      this.hash.update(buffer.subarray(0, bytesRead));
      this.bytes += bytesRead;
    }
  }

  /** Adds bytes at the end. @throws {WriteError} if the disk is full; what was there is kept. */
  async append(part: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < part.length; ) {
        done += (await this.handle.write(part, done, part.length - done)).bytesWritten;
      }
    } catch (error) {
      throw cannotWrite(this.file, error);
    }
    this.hash.update(part);
    this.bytes += part.length;
  }

  /** Forgets all that is there. */
  async restart(): Promise<void> {
    await this.handle.truncate(0);
    this.bytes = 0;
    this.hash = hashOf(this.promised);
  }

  /** Whether this is the whole promised file, on the disk for good. To be asked once. */
  async isWhole(): Promise<boolean> {
    if (this.bytes !== this.promised.bytes || this.hash.digest('hex') !== this.promised.etag) return false;
    try {
      await this.handle.sync();
    } catch (error) {
      throw cannotWrite(this.file, error);
    }
    return true;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

function cannotWrite(file: string, cause: unknown): WriteError {
  return new WriteError(`cannot write: ${fileErrorReason(cause)}`, {
    where: file,
    hint: 'What has come is kept. Free some space or let HF_HOME name another folder, then run the same command again.',
    cause,
  });
}
