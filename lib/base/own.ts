/**
 * The entry of `table` under a name that somebody else chose. Every object inherits `constructor`, `toString` and
 * `__proto__`, so that `table[name]` finds something that nobody has put there.
 */
export function ownEntry<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
