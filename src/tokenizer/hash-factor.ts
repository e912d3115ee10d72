import { randomInt } from 'node:crypto';

/**
 * An odd number of 32 bits to spread keys over a hash table, another one in every process: a file can then not be made so
 * that all its keys fall into one place, where each look-up would walk through all of them. What the table answers does
 * not depend on it.
 */
export function hashFactor(): number {
  return (randomInt(2 ** 31, 2 ** 32) | 1) >>> 0;
}
