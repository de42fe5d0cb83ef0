/** Files of a group at most. */
const GROUP_SIZE = 8;
/** Groups at least, so that no core has long to wait for the last one. */
const MIN_GROUPS = 24;

/** `files` in groups, each file in one. Files with neighbouring names are often slow alike, so they are dealt out. */
export function groupsOf(files: readonly string[]): string[][] {
  const count = Math.min(files.length, Math.max(MIN_GROUPS, Math.ceil(files.length / GROUP_SIZE)));
  const groups = Array.from({ length: count }, (): string[] => []);
  for (const [index, file] of files.entries()) groups[index % count]!.push(file);
  return groups;
}
