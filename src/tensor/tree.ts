/** A value, or arrays and records of such: how programs take and return many tensors under names. */
export type Tree<T> = T | readonly Tree<T>[] | { readonly [key: string]: Tree<T> };

type IsLeaf<T> = (value: unknown) => value is T;

/** The leaves with their paths, `layers.0.weight`, in a fixed order. */
export function flattenTree<T>(tree: Tree<T>, isLeaf: IsLeaf<T>, path = ''): [string, T][] {
  if (isLeaf(tree)) return [[path, tree]];
  const entries = Array.isArray(tree) ? [...tree.entries()] : Object.entries(tree as object);
  return entries.flatMap(([key, child]) => flattenTree(child as Tree<T>, isLeaf, path ? `${path}.${key}` : `${key}`));
}

/** A tree of the same form with each leaf replaced. */
export function mapTree<T, U>(tree: Tree<T>, isLeaf: IsLeaf<T>, fn: (leaf: T, path: string) => U, path = ''): Tree<U> {
  if (isLeaf(tree)) return fn(tree, path);
  const deeper = (key: string | number): string => (path ? `${path}.${key}` : `${key}`);
  if (Array.isArray(tree)) return tree.map((child, i) => mapTree(child as Tree<T>, isLeaf, fn, deeper(i)));
  const entries = Object.entries(tree as { readonly [key: string]: Tree<T> });
  return Object.fromEntries(entries.map(([key, child]) => [key, mapTree(child, isLeaf, fn, deeper(key))]));
}
