import { dirname } from "@std/path";
import type * as z from "zod/mini";
import { messageOf } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { fill } from "../base/template.ts";
import { type ConfigFault, formatKey } from "./config_fault.ts";
import { type JsonDocument, parseDocument } from "./json_document.ts";
import { readRegularFile } from "./regular_file.ts";
import { whyUntrusted } from "./trust.ts";
import { Expander, VariableFault, type VariableSources } from "./variables.ts";

/** A file of named entries as it was read: its content, and what fills in the variables in it. */
interface EntrySource {
  path: string;
  document: JsonDocument;
  expander: Expander;
}

/** What there is at a path: a fault of the file as a whole, no content, or a source. */
type OpenedEntries =
  | { kind: "unreadable"; fault: ConfigFault }
  | { kind: "blank" }
  | { kind: "read"; source: EntrySource };

interface EntryFileOptions {
  /** Values of the variables in the file. */
  env: Record<string, string | undefined>;
  /** Gives the secrets in it; left out: it can hold none. */
  secrets?: VariableSources["secrets"];
  /** Why others must not be able to change it, as the end of "is not used, since". */
  risk: string;
}

/** What every file of entries says beside its entries. */
export interface EntryFile {
  faults: readonly ConfigFault[];
  /** Whether the file as a whole could be read. */
  readable: boolean;
  /** Whether the file is missing or empty. */
  isBlank: boolean;
}

/**
 * Reads the file of entries at `path` by a reader of `Reader`, whose variables are written as in `mcp.json`. A missing
 * file is an empty one. Faults are part of the result: a faulty entry never hides the others.
 */
export async function readEntries<File extends EntryFile>(
  path: string,
  options: EntryFileOptions,
  { empty, Reader }: { empty: () => File; Reader: new (source: EntrySource) => EntryReader<File> },
): Promise<File> {
  const opened = await open(path, options);
  switch (opened.kind) {
    case "unreadable":
      return { ...empty(), readable: false, faults: [opened.fault] };
    case "blank":
      return { ...empty(), isBlank: true };
  }
  const reader = new Reader(opened.source);
  await reader.read();
  return { ...reader.file, faults: reader.faults };
}

async function open(path: string, { env, secrets, risk }: EntryFileOptions): Promise<OpenedEntries> {
  const unreadable = (fault: Omit<ConfigFault, "path">): OpenedEntries => ({
    kind: "unreadable",
    fault: { path, ...fault },
  });
  const distrust = whyUntrusted(path);
  if (distrust !== undefined) return unreadable({ message: `is not used, since ${risk}: ${distrust}` });
  let text: string;
  try {
    text = await readRegularFile(path);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return { kind: "blank" };
    return unreadable({ message: `cannot be read: ${messageOf(thrown)}` });
  }
  const document = parseDocument(text);
  if ("reason" in document) {
    const { reason: message, line, column } = document;
    return unreadable({ line, column, message });
  }
  if (text.trim() === "") return { kind: "blank" };
  return {
    kind: "read",
    source: { path, document, expander: new Expander({ env, secrets, configDir: dirname(path) }) },
  };
}

/** The fault of a file that is gone or empty while its content is in force: it is most likely being replaced. */
export function goneFault(path: string): ConfigFault {
  return { path, message: "is gone or empty; what it said stays; to take that back, write {} into it" };
}

/** The keys of an entry, and what a good value of each looks like, for messages. */
interface EntryKeys {
  names: readonly string[];
  /** The predicate of a sentence that starts with the key; undefined for a fault of the entry as a whole. */
  allowed(key: string | undefined): string;
}

/** Reads the entries of a file, and collects the faults in it with their places. */
export abstract class EntryReader<File> {
  readonly faults: ConfigFault[] = [];
  /** What was read so far, without the faults. */
  abstract readonly file: File;
  protected readonly source: EntrySource;

  constructor(source: EntrySource) {
    this.source = source;
  }

  /** Reads the content of the source. */
  abstract read(): Promise<void>;

  /**
   * `entry` with the variables in its strings filled in.
   *
   * @throws {VariableFault} for one that is not set, and for one that only a session has
   */
  protected async expand(entry: unknown): Promise<unknown> {
    if (typeof entry === "string") {
      return fill(await this.source.expander.expand(entry), (name) => {
        throw new VariableFault(`holds \${${name}}, which only a session has`);
      });
    }
    if (Array.isArray(entry)) return await Promise.all(entry.map((part) => this.expand(part)));
    if (!isObject(entry)) return entry;
    const parts = Object.entries(entry).map(async ([key, part]) => [key, await this.expand(part)]);
    return Object.fromEntries(await Promise.all(parts)) as JsonObject;
  }

  /** Adds the faults that a schema has found in the entry at `path`. */
  protected addIssues(
    path: readonly (string | number)[],
    issues: readonly z.core.$ZodIssue[],
    { names, allowed }: EntryKeys,
  ): void {
    for (const issue of issues) {
      const inner = issue.path as (string | number)[];
      const where = [...path, ...inner];
      const key = inner.length === 0 ? undefined : String(inner[0]);
      if (issue.code !== "unrecognized_keys") {
        this.addFault(where, allowed(key));
        continue;
      }
      const instead = key === undefined ? `allowed: ${names.join(", ")}` : `${key} ${allowed(key)}`;
      for (const unknown of issue.keys) this.addFault([...where, unknown], `is no key here; ${instead}`);
    }
  }

  protected addFault(path: (string | number)[], message: string): void {
    const { document, path: file } = this.source;
    this.faults.push({ path: file, ...document.positionOf(path), key: formatKey(path), message });
  }
}
