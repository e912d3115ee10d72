/**
 * Brings the rows of queries or keys from the order of pairs, in which llama.cpp rotates them, to that of halves: of
 * each head rows 0, 2, 4 … first, then rows 1, 3, 5 … Rows are moved whole, as bytes, so that packed weights keep
 * their scales.
 *
 * @param bytes all rows of a matrix, or all numbers of a bias; changed in place.
 * @param headBytes what one head takes. @param headWidth its rows, an even number.
 */
export function halvesFromPairs(bytes: Uint8Array, headBytes: number, headWidth: number): void {
  reorder(bytes, headBytes, headWidth, (row) => (row < headWidth / 2 ? 2 * row : 2 * row - headWidth + 1));
}

/** The reverse of `halvesFromPairs`. */
export function pairsFromHalves(bytes: Uint8Array, headBytes: number, headWidth: number): void {
  reorder(bytes, headBytes, headWidth, (row) => (row >> 1) + (row % 2 === 0 ? 0 : headWidth / 2));
}

function reorder(bytes: Uint8Array, headBytes: number, headWidth: number, rowFor: (row: number) => number): void {
  const rowBytes = headBytes / headWidth;
  for (let start = 0; start < bytes.length; start += headBytes) {
    const head = bytes.slice(start, start + headBytes);
    for (let row = 0; row < headWidth; row++) {
      const from = rowFor(row) * rowBytes;
      bytes.set(head.subarray(from, from + rowBytes), start + row * rowBytes);
    }
  }
}
