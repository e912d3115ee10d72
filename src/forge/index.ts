export * from './forge.js';
export * from './material.js';
export * from './plan.js';
export * from './report-files.js';
export * from './shape.js';
export * from './workshop.js';
