export * from './ngram.js';
export * from './report-card.js';
export * from './report-card-markdown.js';
export * from './report-card-metric.js';
export * from './report-card-terminal.js';
