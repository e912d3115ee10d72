import { expect, it } from 'vitest';
import { filesUnder, sourceOf } from './source-files.js';

const MOST_LINES = 600;
const MEDIAN_LINES = 150;
const FEW_FILES = 20;

const lengths = ['src', 'test', 'bench', 'scripts', 'examples', 'recipes']
  .flatMap((folder) => filesUnder(folder, '.ts'))
  .map((file) => ({ file, lines: sourceOf(file).split('\n').length - 1 }));

it(`no file is longer than ${MOST_LINES} lines`, () => {
  expect(lengths.filter(({ lines }) => lines > MOST_LINES)).toEqual([]);
});

it.skipIf(lengths.length <= FEW_FILES)(`half of the files are shorter than ${MEDIAN_LINES} lines`, () => {
  const sorted = lengths.map(({ lines }) => lines).sort((a, b) => a - b);
  expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(MEDIAN_LINES);
});
