import { displayWidth } from './table-width.js';

export interface Column {
  readonly title: string;
  /** Numbers stand best on the right. Default `left`. */
  readonly align?: 'left' | 'right';
}

/** The cell with spaces up to `width` columns of the terminal. */
function padCell(cell: string, width: number, align: Column['align']): string {
  const spaces = ' '.repeat(Math.max(0, width - displayWidth(cell)));
  return align === 'right' ? spaces + cell : cell + spaces;
}

function normalise(columns: readonly (Column | string)[]): Column[] {
  return columns.map((column) => (typeof column === 'string' ? { title: column } : column));
}

/**
 * A table for a terminal: the titles, a rule, the rows, two spaces between columns. Widths are those of the display, so
 * Chinese and colour escapes line up. Missing cells are empty. Ends without a newline.
 */
export function textTable(columns: readonly (Column | string)[], rows: readonly (readonly string[])[]): string {
  const all = normalise(columns);
  const oneLine = (cell: string | undefined): string => (cell ?? '').replace(/\s*\n\s*/g, ' ');
  const cells = rows.map((row) => all.map((_, i) => oneLine(row[i])));
  const widths = all.map(({ title }, i) => Math.max(displayWidth(title), ...cells.map((row) => displayWidth(row[i]!))));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => padCell(cell, widths[i]!, all[i]!.align))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width)).join('  ');
  return [line(all.map(({ title }) => title)), rule, ...cells.map(line)].join('\n');
}

/** Text as one cell of a Markdown table: no bars, no line breaks, no HTML, nothing read as emphasis or a link. */
export function escapeMarkdown(text: string): string {
  return text
    .replace(/[\\`*_[\]|~]/g, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/\s*\n\s*/g, ' ');
}

/** A Markdown table (GitHub's dialect). Cells are plain text and get escaped. Ends without a newline. */
export function markdownTable(columns: readonly (Column | string)[], rows: readonly (readonly string[])[]): string {
  const all = normalise(columns);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(all.map(({ title }) => escapeMarkdown(title))),
    line(all.map(({ align }) => (align === 'right' ? '---:' : '---'))),
    ...rows.map((row) => line(all.map((_, i) => escapeMarkdown(row[i] ?? '')))),
  ].join('\n');
}
