import path from 'node:path';
import type { ReportCard } from '../evaluate/report-card.js';
import { renderMarkdown, reportFigures } from '../evaluate/report-card-markdown.js';
import { writeFileAtomic } from '../util/files.js';

/** Writes `report.json`, `report.md` and its pictures into a run folder. @returns the path of `report.md`. */
export function writeReport(folder: string, card: ReportCard): string {
  writeFileAtomic(path.join(folder, 'report.json'), `${JSON.stringify(card, null, 2)}\n`);
  for (const { file, svg } of reportFigures(card)) writeFileAtomic(path.join(folder, 'figures', file), svg);
  const report = path.join(folder, 'report.md');
  writeFileAtomic(report, renderMarkdown(card, { figureFolder: 'figures' }));
  return report;
}
