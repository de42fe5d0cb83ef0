import { isObject } from "../base/json.ts";

/** What was observed of the processes of one server. */
export interface StoredEvidence {
  /** Calls they have answered. */
  calls: number;
  /** Of these, the ones during which the directory was watched. */
  watchedCalls: number;
  /** Processes whose files were looked at. */
  runs: number;
  /** Digests of the directories these processes ran in. */
  directories: readonly string[];
  /** What speaks against sharing it more widely, in a few words, by kind. */
  signs: Readonly<Record<string, string>>;
}

/** Keeps what was observed of servers across restarts of the daemon, by digest of their configuration. No method throws. */
export interface EvidenceStore {
  get(config: string): StoredEvidence | undefined;
  set(config: string, evidence: StoredEvidence): void;
}

/** Evidence from its JSON text; undefined for text of another form: the server is observed anew. */
export function readEvidence(text: string): StoredEvidence | undefined {
  try {
    const kept: unknown = JSON.parse(text);
    const isEvidence = isObject(kept) && typeof kept.calls === "number" && typeof kept.runs === "number" &&
      typeof kept.watchedCalls === "number" &&
      Array.isArray(kept.directories) && isObject(kept.signs);
    return isEvidence ? kept as never as StoredEvidence : undefined;
  } catch {
    return undefined;
  }
}
