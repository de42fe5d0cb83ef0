import { catalogName } from "../config/servers.ts";
import type { CandidateGroup } from "./candidates.ts";

/** The name of EXAI's own tools. */
const RESERVED = "exai";

/**
 * A name in `mcp.json` for each group that is not in it yet, by the names its clients have for it. One that is taken gets
 * the name of the project or of the client behind it.
 *
 * @param taken names in `mcp.json`, as the catalog has them
 */
export function nameGroups(groups: readonly CandidateGroup[], taken: Iterable<string>): Map<string, string> {
  const used = new Set([...taken, RESERVED]);
  const names = new Map<string, string>();
  for (const group of groups) {
    const name = proposals(group).find((proposal) => !used.has(proposal))!;
    used.add(name);
    names.set(group.key, name);
  }
  return names;
}

function* proposals({ candidates }: CandidateGroup): Generator<string, void> {
  const counts = new Map<string, number>();
  for (const { entry: { name } } of candidates) counts.set(name, (counts.get(name) ?? 0) + 1);
  const titles = [...counts.keys()].sort((a, b) => counts.get(b)! - counts.get(a)!);
  const cleaned = titles.flatMap((title) => catalogName(title) ?? []);
  yield* cleaned;
  const [{ entry, reading }] = candidates as [CandidateGroup["candidates"][number]];
  const first = cleaned[0] ?? "server";
  const project = entry.project === undefined
    ? undefined
    : catalogName(entry.project.split(/[/\\]/).at(-1) ?? "");
  if (project !== undefined) yield shortened(first, project);
  yield shortened(first, reading.found.client.id);
  for (let i = 2;; i++) yield shortened(first, String(i));
}

function shortened(name: string, suffix: string): string {
  return `${name.slice(0, 63 - Math.min(suffix.length, 40))}-${suffix.slice(0, 40)}`;
}
