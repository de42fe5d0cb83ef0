import type { ConfigFault } from "../config/config_fault.ts";
import { readServersText } from "../config/servers.ts";
import type { Candidate, KeptEntry } from "./candidates.ts";

/** The entries of clients' files, sorted. */
interface SortedEntries {
  candidates: Candidate[];
  kept: KeptEntry[];
}

/**
 * Has each candidate read as an entry of the `mcp.json` at `path`: one with a fault stays in its client. What only lacks a
 * variable or a secret is taken over, and says so.
 */
export async function checkCandidates(
  { candidates, kept }: SortedEntries,
  path: string,
): Promise<SortedEntries> {
  const entries = Object.fromEntries(candidates.map(({ imported }, i) => [`server-${i}`, imported]));
  const { faults, warnings } = await readServersText(JSON.stringify({ mcpServers: entries }), path);
  const of = (list: readonly ConfigFault[], i: number) =>
    list.filter(({ server }) => server === `server-${i}`);
  const checked: SortedEntries = { candidates: [], kept: [...kept] };
  for (const [i, candidate] of candidates.entries()) {
    const found = of(faults, i).filter(({ message }) => !isAsked(candidate, message));
    const fatal = found.find(({ unset }) => unset === undefined);
    if (fatal !== undefined) {
      const { reading, entry } = candidate;
      checked.kept.push({ reading, entry, reason: sentenceOf(fatal) });
    } else {
      const notes = [...candidate.notes, ...[...found, ...of(warnings, i)].map(sentenceOf)];
      checked.candidates.push({ ...candidate, notes: [...new Set(notes)] });
    }
  }
  return checked;
}

/** Whether a fault is about a secret that is still to be written. */
function isAsked({ asks }: Candidate, message: string): boolean {
  return asks.some(({ file }) => message.includes(`\${file:${file}}`));
}

function sentenceOf({ key, message }: ConfigFault): string {
  return key === undefined ? message : `${key} ${message}`;
}
