export { type FetchedSnapshot, type FetchOptions, fetchFromHub } from './fetch.js';
export { HubError } from './hub-error.js';
export * from './model-files.js';
export * from './progress-line.js';
export * from './reference.js';
