/** Sizes beyond which a configuration is refused: every published language model is smaller. */
export const CONFIG_LIMITS = {
  vocabulary: 1 << 22,
  width: 1 << 16,
  hidden: 1 << 18,
  layers: 1024,
  positions: 1 << 20,
  /** Classes of a classifier. */
  labels: 1 << 16,
} as const;
