import { isDeepStrictEqual } from "node:util";
import type { Json, JsonObject } from "../../../base/json.ts";

/** The clients whose entries have rules of their own; `other` is every other one, and `mcp.json` itself. */
export type EntryDialect =
  | "amazon-q"
  | "claude-code"
  | "cline"
  | "codex"
  | "copilot-cli"
  | "gemini"
  | "kiro"
  | "opencode"
  | "roo"
  | "other";

/** The place of a value in an entry, from the entry. */
export type EntryPath = readonly (string | number)[];

/**
 * What became of something in a client's entry:
 * - `converted`: EXAI has the same under another name or in another form;
 * - `changed`: EXAI has another value for it, such as a time limit in another unit;
 * - `kept`: it belongs to the client and stays there, such as which tools run without a question;
 * - `lost`: it has no effect in EXAI;
 * - `asked`: it needs a value that only a person or the client has;
 * - `fault`: the entry cannot be used.
 */
export interface EntryNote {
  kind: "converted" | "changed" | "kept" | "lost" | "asked" | "fault";
  path: EntryPath;
  /** A clause whose subject is the key. */
  message: string;
  /** The variable that needs a value, where that is asked: `input:token` or `CLAUDE_PLUGIN_ROOT`. */
  variable?: string;
}

/** A client's entry on its way to EXAI's keys. */
export class EntryDraft {
  /** What is not converted yet, and what is. */
  readonly entry: JsonObject;
  readonly notes: EntryNote[] = [];
  /** Where values came from, the latest first. */
  readonly #moves: { to: EntryPath; from: EntryPath }[] = [];

  constructor(value: JsonObject) {
    // Several clients write null for an optional key, and an empty directory.
    const isGiven = ([key, value]: [string, unknown]) => value !== null && !(key === "cwd" && value === "");
    this.entry = Object.fromEntries(Object.entries(value).filter(isGiven));
  }

  note(kind: EntryNote["kind"], path: EntryPath, message: string): void {
    this.notes.push({ kind, path: this.sourceOf(path), message });
  }

  /** Says that `variable` at `path` needs a value. */
  ask(variable: string, path: EntryPath, message: string): void {
    this.notes.push({ kind: "asked", path: this.sourceOf(path), message, variable });
  }

  /** Takes the value of `key` out of the entry. */
  take(key: string): Json | undefined {
    if (!Object.hasOwn(this.entry, key)) return undefined;
    const value = this.entry[key];
    delete this.entry[key];
    return value;
  }

  /** The first of `keys` that the entry has. */
  first(keys: readonly string[]): string | undefined {
    return keys.find((key) => Object.hasOwn(this.entry, key));
  }

  /** Sets `key` to a value that was at `from`. */
  put(key: string, value: Json, from: EntryPath): void {
    this.#moves.unshift({ to: [key], from: this.sourceOf(from) });
    this.entry[key] = value;
  }

  /** Says that what is at `to` was at `source` in the client's entry. */
  moved(to: EntryPath, source: EntryPath): void {
    this.#moves.unshift({ to, from: source });
  }

  /** Moves the value of each of `aliases` to `key`; where the entry has both, `key` counts. */
  rename(aliases: readonly string[], key: string): void {
    for (const alias of aliases) {
      const value = this.take(alias);
      if (value === undefined) continue;
      if (!Object.hasOwn(this.entry, key)) this.put(key, value, [alias]);
      else if (!isDeepStrictEqual(value, this.entry[key])) {
        this.note("lost", [alias], `stands beside ${key}, which counts`);
      }
    }
  }

  /** Where in the client's entry the value at `path` of this one was. */
  sourceOf(path: EntryPath): EntryPath {
    const move = this.#moves.find(({ to }) =>
      to.length <= path.length && to.every((part, i) => part === path[i])
    );
    return move === undefined ? path : [...move.from, ...path.slice(move.to.length)];
  }
}
