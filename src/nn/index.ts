export * from './attention.js';
export * from './embedding.js';
export * from './feed-forward.js';
export * from './linear.js';
export * from './module.js';
export * from './norm.js';
export * from './parameter.js';
export * from './rope.js';
